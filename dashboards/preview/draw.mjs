// node draw.mjs JOB.json: draws dashboards against a live Prometheus, and pages. The job says which, how and where to:
//   {"prometheus": URL, "scrape": 5, "from": "now-10m", "chromium": PATH,
//    "pictures": [{"dashboard": FILE, "width": 1400, "theme": "dark", "variables": {"endpoint": NAME}, "to": FILE},
//                 {"url": URL, "width": 1400, "height": 900, "theme": "dark", "to": FILE}]}
// Prints a line of JSON for each picture: errors of the page, panels it cannot draw, queries without an answer.
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { build } from 'vite';

const HERE = dirname(fileURLToPath(import.meta.url));
const SITE = join(HERE, 'dist');
const ICONS = join(HERE, 'node_modules/@grafana/ui/dist/public');
const NO_ICON = '<svg xmlns="http://www.w3.org/2000/svg"/>';
const FONT_FILES = join(HERE, 'node_modules/@fontsource/inter/files');
const FONTS = {
  'Inter-Regular.woff2': '/inter-latin-400-normal.woff2',
  'Inter-Medium.woff2': '/inter-latin-500-normal.woff2',
};
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const BROWSER = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE = 300_000; // milliseconds; hundreds of rows take a while on a busy machine

const job = JSON.parse(await readFile(process.argv[2], 'utf8'));
let dashboard = '';

async function fromFolder(folder, path) {
  const file = join(folder, normalize(path === '/' ? '/index.html' : path));
  if (!file.startsWith(folder) || !(await stat(file)).isFile()) throw new Error(path);
  return [await readFile(file), TYPES[extname(file)] ?? 'application/octet-stream'];
}

async function answer(url) {
  if (url.startsWith('/prometheus/')) {
    const reply = await fetch(job.prometheus + url.slice('/prometheus'.length));
    return [Buffer.from(await reply.arrayBuffer()), 'application/json'];
  }
  const { pathname } = new URL(url, 'http://localhost');
  if (pathname === '/favicon.ico') return [NO_ICON, TYPES['.svg']];
  if (pathname === '/dashboard.json') return [await readFile(dashboard), 'application/json'];
  const [font] = Object.keys(FONTS).filter((name) => pathname.endsWith(name));
  if (font) return fromFolder(FONT_FILES, FONTS[font]);
  // Grafana serves its icons below /public/build, whatever the page's own address is, and has some that it does not ship.
  const icon = /\/img\/icons\/.*$/.exec(pathname);
  return icon ? fromFolder(ICONS, icon[0]).catch(() => [NO_ICON, TYPES['.svg']]) : fromFolder(SITE, pathname);
}

async function drawPage(page, picture) {
  await page.goto(picture.url);
  return { asked: 0, empty: [], unsupported: [], errors: [] };
}

async function drawDashboard(page, picture) {
  dashboard = picture.dashboard;
  const wanted = new URLSearchParams({ theme: picture.theme, from: job.from, scrape: job.scrape });
  for (const [name, value] of Object.entries(picture.variables ?? {})) wanted.append(`var-${name}`, value);
  await page.goto(`http://127.0.0.1:${server.address().port}/?${wanted}`);
  await page.waitForFunction(() => window.report?.asked > 5 && window.report.pending === 0, null, { timeout: PATIENCE });
  // What lies outside the window is not drawn, or not whole.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: picture.width, height });
  await page.waitForTimeout(1500); // fonts, and what is drawn in further frames, give no sign of being done
  await page.waitForFunction(() => window.report.pending === 0, null, { timeout: PATIENCE });
  return page.evaluate(() => window.report);
}

await build({ root: HERE, logLevel: 'error' });
const server = createServer(async (request, response) => {
  try {
    const [body, type] = await answer(request.url);
    response.writeHead(200, { 'content-type': type }).end(body);
  } catch (error) {
    response.writeHead(404).end(String(error));
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({ executablePath: job.chromium, args: BROWSER });
try {
  for (const picture of job.pictures) {
    const viewport = { width: picture.width, height: picture.height ?? 900 };
    const page = await browser.newPage({ viewport, colorScheme: picture.theme });
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('response', (reply) => reply.status() >= 400 && problems.push(`${reply.status()} ${reply.url()}`));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    const report = picture.url ? await drawPage(page, picture) : await drawDashboard(page, picture);
    // A palette is enough for flat colours, and a fifth of the size.
    await sharp(await page.screenshot({ fullPage: !picture.height })).png({ palette: true, effort: 10 }).toFile(picture.to);
    await page.close();
    console.log(JSON.stringify({ picture: picture.to, ...report, errors: [...problems, ...report.errors] }));
  }
} finally {
  await browser.close();
  server.close();
}
