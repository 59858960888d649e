// State timelines and heatmaps, drawn after Grafana's, whose own are part of its application and not of its packages.
import { FieldType, dateTimeFormat, formattedValueToString, getDisplayProcessor } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';
import { Nothing } from './panels.jsx';

const AXIS = 22; // pixels for the time below
const LEGEND = 24;
const TOP = 8; // for the half of a label that stands above the highest line
const LETTER = 7.2; // pixels that a letter of an axis takes at most

function times(timeRange, width) {
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const count = Math.max(2, Math.floor(width / 110));
  const at = Array.from({ length: count }, (_, place) => from + ((place + 0.5) * (to - from)) / count);
  const format = to - from > 86400e3 ? 'MM-DD HH:mm' : 'HH:mm';
  return at.map((time) => [(time - from) / (to - from), dateTimeFormat(time, { format, timeZone: 'utc' })]);
}

function TimeAxis({ timeRange, left, width, top }) {
  return times(timeRange, width).map(([share, text]) => (
    <text key={share} x={left + share * width} y={top + 15} textAnchor="middle" fill="currentColor" fontSize={12} opacity={0.8}>
      {text}
    </text>
  ));
}

/** Where a value ends: where the next begins, or, where the series pauses, after one step. */
function ends(values, place, step, to) {
  const next = values[place + 1] ?? to;
  return Math.min(next - values[place] > 2.5 * step ? values[place] + step : next, to);
}

export function StateTimeline({ data, fieldConfig, width, height, timeRange, options }) {
  const theme = useTheme2();
  const rows = data.series.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type === FieldType.number)
      .map((field) => ({ field, time: frame.fields.find((one) => one.type === FieldType.time) })),
  );
  if (!rows.length) return <Nothing fieldConfig={fieldConfig} />;
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const names = rows.map(({ field }) => field.config.displayNameFromDS);
  const left = Math.min(width / 2.2, Math.max(...names.map((name) => name.length)) * LETTER + 12);
  const across = width - left - 4;
  const pitch = (height - AXIS - LEGEND) / rows.length;
  const bar = pitch * options.rowHeight;
  const x = (time) => left + ((Math.max(time, from) - from) / (to - from)) * across;
  const legend = new Map();

  const drawn = rows.map(({ field, time }, row) => {
    const step = time.config.interval;
    const y = row * pitch + (pitch - bar) / 2;
    const states = [];
    field.values.forEach((value, place) => {
      const shown = field.display(value);
      const end = ends(time.values, place, step, to);
      const last = states.at(-1);
      if (last && last.value === value && last.end >= time.values[place]) last.end = end;
      else states.push({ value, shown, begin: time.values[place], end });
      legend.set(formattedValueToString(shown), shown.color);
    });
    return (
      <g key={names[row]}>
        <text x={left - 8} y={row * pitch + pitch / 2 + 4} textAnchor="end" fill="currentColor" fontSize={12}>
          {names[row]}
        </text>
        {states.map((state) => {
          const text = formattedValueToString(state.shown);
          const wide = x(state.end) - x(state.begin);
          return (
            <g key={state.begin}>
              <rect x={x(state.begin)} width={Math.max(1, wide)} y={y} height={bar} fill={state.shown.color} opacity={0.85} />
              {options.showValue === 'auto' && wide > text.length * 8 + 8 && bar > 13 && (
                <text
                  x={x(state.begin) + 6}
                  y={y + bar / 2 + 4}
                  fontSize={12}
                  fill={theme.colors.getContrastText(state.shown.color)}
                >
                  {text}
                </text>
              )}
            </g>
          );
        })}
      </g>
    );
  });

  let place = left;
  const entries = [...legend].map(([text, color]) => {
    const entry = (
      <g key={text}>
        <rect x={place} y={height - 13} width={14} height={4} rx={2} fill={color} />
        <text x={place + 20} y={height - 6} fontSize={12} fill="currentColor">{text}</text>
      </g>
    );
    place += text.length * 8 + 40;
    return entry;
  });
  return (
    <svg width={width} height={height}>
      {drawn}
      <TimeAxis timeRange={timeRange} left={left} width={across} top={height - AXIS - LEGEND} />
      {entries}
    </svg>
  );
}

const BLUES = { dark: [[24, 40, 72], [120, 190, 255]], light: [[222, 235, 247], [8, 69, 148]] };

export function Heatmap({ data, fieldConfig, width, height, timeRange, options }) {
  const theme = useTheme2();
  if (!data.series.length) return <Nothing fieldConfig={fieldConfig} />;
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const columns = data.series.map((frame) => ({
    name: frame.name,
    time: frame.fields.find((field) => field.type === FieldType.time),
    values: frame.fields.find((field) => field.type === FieldType.number).values,
  }));
  const most = Math.max(...columns.flatMap((column) => column.values.filter(Number.isFinite)));
  const inUnit = getDisplayProcessor({ field: { type: FieldType.number, config: { unit: options.yAxis?.unit } }, theme });
  const names = columns.map(({ name }) => (name === '+Inf' ? '+Inf' : formattedValueToString(inUnit(Number(name)))));
  const left = Math.max(...names.map((name) => name.length)) * LETTER + 14;
  const across = width - left - 4;
  const pitch = (height - AXIS - TOP) / columns.length;
  const [low, high] = BLUES[theme.isDark ? 'dark' : 'light'];
  const color = (value) => {
    const share = (value / most) ** (options.color?.exponent ?? 1);
    return `rgb(${low.map((part, place) => Math.round(part + (high[place] - part) * share)).join()})`;
  };
  const every = Math.ceil(14 / pitch);
  return (
    <svg width={width} height={height}>
      {columns.map(({ name, time, values }, row) => {
        const y = TOP + (columns.length - 1 - row) * pitch;
        const step = time.config.interval;
        return (
          <g key={name}>
            {row % every === 0 && (
              <text x={left - 8} y={y + 4} textAnchor="end" fontSize={12} fill="currentColor" opacity={0.8}>
                {row ? names[row] : ''}
              </text>
            )}
            {values.map((value, place) => {
              if (!(value > (options.filterValues?.le ?? 0))) return null;
              const begin = left + ((Math.max(time.values[place], from) - from) / (to - from)) * across;
              const end = left + ((ends(time.values, place, step, to) - from) / (to - from)) * across;
              return (
                <rect key={time.values[place]} x={begin} width={Math.max(1, end - begin - 1)} y={y} height={Math.max(1, pitch - 1)} fill={color(value)} />
              );
            })}
          </g>
        );
      })}
      <TimeAxis timeRange={timeRange} left={left} width={across} top={height - AXIS} />
    </svg>
  );
}
