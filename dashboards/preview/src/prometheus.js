// A data source that asks a real Prometheus through /prometheus, in place of Grafana's own, which needs its server.
import { FieldType, createDataFrame } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import { of } from 'rxjs';

const MAX_POINTS = 11000; // what Prometheus gives at most

const escaped = (value) =>
  String(value)
    .replace(/\\/g, '\\\\\\\\')
    .replace(/[$^*{}[\]'+?.()|]/g, '\\\\$&');
const inPromql = (value) =>
  !Array.isArray(value) ? String(value) : value.length === 1 ? escaped(value[0]) : `(${value.map(escaped).join('|')})`;
const named = (format, labels) =>
  format
    ? format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? label)
    : JSON.stringify(labels);
const duration = (seconds) => `${Math.round(seconds)}s`;

async function ask(path, parameters) {
  window.report.pending += 1;
  window.report.asked += 1;
  try {
    const answer = await (await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(parameters)}`)).json();
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${JSON.stringify(parameters)}`);
    return answer.data;
  } finally {
    window.report.pending -= 1;
  }
}

/** Cumulative buckets as Grafana makes them for a heatmap: in the order of their bounds, each without those below it. */
function separated(series) {
  const bound = (one) => (one.metric.le === '+Inf' ? Infinity : Number(one.metric.le));
  const sorted = [...series].sort((one, other) => bound(one) - bound(other));
  return sorted.map((one, place) => {
    const below = new Map(place ? sorted[place - 1].values : []);
    return { ...one, values: one.values.map(([time, value]) => [time, Number(value) - Number(below.get(time) ?? 0)]) };
  });
}

function asTable(series, target, several) {
  const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
  const rows = series.flatMap((one) => one.values.map((value) => [one.metric, value]));
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(([, [time]]) => time * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: rows.map(([metric]) => metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${target.refId}` : 'Value',
        type: FieldType.number,
        values: rows.map(([, [, value]]) => Number(value)),
      },
    ],
  });
}

function asSeries(one, target, step) {
  const name = named(target.legendFormat, one.metric);
  return createDataFrame({
    refId: target.refId,
    name,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        config: { interval: step * 1000 },
        values: one.values.map(([time]) => time * 1000),
      },
      {
        name: 'Value',
        type: FieldType.number,
        labels: one.metric,
        config: { displayNameFromDS: name },
        values: one.values.map(([, value]) => Number(value)),
      },
    ],
  });
}

export class PrometheusSource {
  uid = 'prometheus';
  name = 'Prometheus';
  type = 'prometheus';
  meta = { id: 'prometheus', annotations: true, info: { logos: {} } };

  /** @param {number} scrape The scrape interval, in seconds. */
  constructor(scrape) {
    this.scrape = scrape;
    this.interval = `${scrape}s`;
    this.instanceSettings = { uid: this.uid, name: this.name, type: this.type, meta: this.meta, isDefault: true, jsonData: {} };
  }

  getRef() {
    return { type: this.type, uid: this.uid };
  }

  async query(request) {
    const from = request.range.from.valueOf() / 1000;
    const to = request.range.to.valueOf() / 1000;
    const frames = [];
    for (const target of request.targets) {
      const step = Math.max(Math.ceil(request.intervalMs / 1000), this.scrape, Math.ceil((to - from) / MAX_POINTS));
      const variables = {
        ...request.scopedVars,
        __interval: { value: duration(step) },
        __rate_interval: { value: duration(Math.max(step + this.scrape, 4 * this.scrape)) },
        __range: { value: duration(to - from) },
      };
      const query = getTemplateSrv().replace(target.expr, variables, inPromql);
      const data = target.instant
        ? await ask('query', { query, time: to })
        : await ask('query_range', { query, start: Math.floor(from / step) * step, end: Math.floor(to / step) * step, step });
      let series = data.result.map((one) => ({ metric: one.metric, values: one.values ?? [one.value] }));
      if (!series.length) window.report.empty.push(query);
      if (target.format === 'heatmap') series = separated(series);
      if (target.format === 'table') frames.push(asTable(series, target, request.targets.length > 1));
      else frames.push(...series.map((one) => asSeries(one, target, step)));
    }
    return { data: frames };
  }

  async metricFindQuery(query, options) {
    const text = getTemplateSrv().replace(query, options?.scopedVars, inPromql);
    const [, selector, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(text);
    return (await ask(`label/${label}/values`, { 'match[]': selector })).map((value) => ({ text: value }));
  }

  /** Annotations are asked like any query; what comes back is made into marks. */
  annotations = {
    prepareAnnotation: (annotation) => annotation,
    prepareQuery: (annotation) => ({ expr: annotation.expr, legendFormat: annotation.titleFormat }),
    processEvents: (annotation, frames) =>
      of(
        frames.flatMap((frame) =>
          regions(frame.fields[0].values, this.scrape * 1000).map(([time, timeEnd]) => ({ time, timeEnd, title: frame.name })),
        ),
      ),
  };
}

/** The stretches in which a series was there, as Grafana makes regions of them. */
function regions(times, step) {
  const found = [];
  for (const time of times) {
    const last = found.at(-1);
    if (last && time - last[1] <= 1.5 * step) last[1] = time;
    else found.push([time, time]);
  }
  return found;
}
