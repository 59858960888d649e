// The panels that mail-exporter's dashboards have. Time series, figures and tables are Grafana's own components;
// state timelines and heatmaps, which its packages do not export, are drawn in drawn.jsx after their likeness.
import { FieldType, PanelPlugin, cacheFieldDisplayNames, getFieldDisplayValues } from '@grafana/data';
import { sceneUtils } from '@grafana/scenes';
import { BigValue, TimeSeries, VizRepeater, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { Heatmap, StateTimeline } from './drawn.jsx';

export function Nothing({ fieldConfig }) {
  const style = { display: 'flex', height: '100%', alignItems: 'center', justifyContent: 'center', opacity: 0.7 };
  return <div style={style}>{fieldConfig.defaults.noValue}</div>;
}

/** Marks the annotations in a graph, as Grafana's own plug-in for that does: a band, and a line at each end. */
function annotate(builder, marks) {
  if (builder.marks) return;
  builder.marks = marks;
  builder.addHook('draw', (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.setLineDash([5, 5]);
    for (const { time, timeEnd, color } of marks) {
      const [begin, end] = [time, timeEnd ?? time].map((at) => Math.round(plot.valToPos(at, 'x', true)));
      ctx.globalAlpha = 0.1;
      ctx.fillStyle = color;
      ctx.fillRect(begin, bbox.top, end - begin, bbox.height);
      ctx.globalAlpha = 1;
      ctx.strokeStyle = color;
      for (const x of new Set([begin, end])) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
    }
    ctx.restore();
  });
}

function marksOf(data, theme) {
  return (data.annotations ?? []).flatMap((frame) => {
    const column = (name) => frame.fields.find((field) => field.name === name)?.values ?? [];
    return column('time').map((time, row) => ({
      time,
      timeEnd: column('timeEnd')[row],
      color: theme.visualization.getColorByName(column('color')[row] ?? 'red'),
    }));
  });
}

function Graph({ data, fieldConfig, timeRange, width, height, options }) {
  const theme = useTheme2();
  const frames = data.series.filter((frame) => frame.fields.some((field) => field.type === FieldType.number));
  if (!frames.length) return <Nothing fieldConfig={fieldConfig} />;
  const marks = marksOf(data, theme);
  return (
    <TimeSeries
      key={JSON.stringify(marks)}
      frames={frames}
      structureRev={data.structureRev}
      timeRange={timeRange}
      timeZone="utc"
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    >
      {(builder) => {
        annotate(builder, marks);
        return null;
      }}
    </TimeSeries>
  );
}

function useDisplayed({ data, fieldConfig, options, replaceVariables }) {
  const theme = useTheme2();
  return getFieldDisplayValues({
    fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables,
    theme,
    data: data.series,
    sparkline: options.graphMode !== 'none',
    timeZone: 'utc',
  });
}

function Figure(props) {
  const theme = useTheme2();
  const values = useDisplayed(props);
  if (!props.data.series.length) return <Nothing fieldConfig={props.fieldConfig} />;
  const { colorMode, graphMode, justifyMode, orientation, textMode } = props.options;
  return (
    <VizRepeater
      width={props.width}
      height={props.height}
      source={props.data}
      renderCounter={props.renderCounter}
      orientation={orientation}
      autoGrid
      minVizHeight={20}
      getValues={() => values}
      getAlignmentFactors={() => ({ text: '', title: '' })}
      renderValue={({ value, width, height, count }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          theme={theme}
          {...{ width, height, count, colorMode, graphMode, justifyMode, textMode }}
        />
      )}
    />
  );
}

function Rows({ data, fieldConfig, width, height, timeRange, options, replaceVariables }) {
  cacheFieldDisplayNames(data.series);
  const [frame] = data.series;
  if (!frame?.length) return <Nothing fieldConfig={fieldConfig} />;
  return (
    <TableNG
      data={frame}
      noHeader={!options.showHeader}
      showTypeIcons={false}
      resizable
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      enablePagination={false}
      getActions={() => []}
      structureRev={data.structureRev}
      {...{ width, height, timeRange, fieldConfig, replaceVariables }}
    />
  );
}

const GRAPH_OPTIONS = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  barAlignment: 0,
  barWidthFactor: 0.6,
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  spanNulls: false,
  insertNulls: false,
  showPoints: 'auto',
  pointSize: 5,
  stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto',
  axisLabel: '',
  axisColorMode: 'text',
  axisBorderShow: false,
  scaleDistribution: { type: 'linear' },
  axisCenteredZero: false,
  hideFrom: { tooltip: false, viz: false, legend: false },
  thresholdsStyle: { mode: 'off' },
  lineStyle: undefined,
};
const TABLE_OPTIONS = { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, width: undefined };

export const PANELS = {
  timeseries: [Graph, GRAPH_OPTIONS, 'palette-classic'],
  stat: [Figure, {}, 'thresholds'],
  table: [Rows, TABLE_OPTIONS, 'thresholds'],
  'state-timeline': [StateTimeline, { lineWidth: 0, fillOpacity: 70 }, 'thresholds'],
  heatmap: [Heatmap, {}, 'thresholds'],
};

export function registerPanels() {
  for (const [pluginId, [component, options, colorMode]] of Object.entries(PANELS)) {
    const plugin = new PanelPlugin(component).setDataSupport({ annotations: true, alertStates: false });
    plugin.useFieldConfig({
      useCustomConfig: (builder) => {
        for (const [path, defaultValue] of Object.entries(options)) {
          builder.addCustomEditor({
            id: path,
            path,
            name: path,
            defaultValue,
            editor: () => null,
            override: () => null,
            process: (value) => value,
            shouldApply: () => true,
          });
        }
      },
      standardOptions: {
        color: { settings: { byValueSupport: true, bySeriesSupport: true }, defaultValue: { mode: colorMode } },
      },
    });
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
  }
}
