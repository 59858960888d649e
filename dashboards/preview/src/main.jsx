// The page: one dashboard, fetched from /dashboard.json, as ?theme, ?from and ?var-NAME want it.
import { ThemeContext, createTheme } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { MemoryRouter } from 'react-router-dom';
import { registerPanels } from './panels.jsx';
import { setUpRuntime } from './runtime.js';
import { sceneOf } from './scene.js';

// What draw.mjs reads: queries still under way, and what went wrong.
window.report = { pending: 0, asked: 0, errors: [], unsupported: [], empty: [] };
window.addEventListener('error', (event) => window.report.errors.push(String(event.message)));
window.addEventListener('unhandledrejection', (event) =>
  window.report.errors.push(String(event.reason?.stack || event.reason)),
);

const wanted = new URLSearchParams(location.search);
const theme = createTheme({ colors: { mode: wanted.get('theme') ?? 'dark' } });
setUpRuntime(theme, Number(wanted.get('scrape') ?? 15));
registerPanels();
await initPluginTranslations('grafana');

const dashboard = await (await fetch('/dashboard.json')).json();
const chosen = Object.fromEntries(
  [...wanted].filter(([name]) => name.startsWith('var-')).map(([name, value]) => [name.slice(4), value]),
);
const scene = sceneOf(dashboard, { from: wanted.get('from'), chosen });
const frame = {
  background: theme.colors.background.canvas,
  color: theme.colors.text.primary,
  minHeight: '100vh',
  padding: 8,
};

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <MemoryRouter>
      <div style={frame}>
        <h3 style={{ margin: '4px 8px' }}>{dashboard.title}</h3>
        <scene.Component model={scene} />
        {PortalContainer && <PortalContainer />}
      </div>
    </MemoryRouter>
  </ThemeContext.Provider>,
);
