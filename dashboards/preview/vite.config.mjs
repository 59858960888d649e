import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  define: { 'process.env.NODE_ENV': JSON.stringify('production'), global: 'window' },
  build: { minify: false, sourcemap: false, chunkSizeWarningLimit: 20000 },
});
