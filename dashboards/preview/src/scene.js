// A dashboard's JSON as objects of @grafana/scenes. Only what mail-exporter's dashboards have; anything else is an error.
import {
  ConstantVariable,
  CustomVariable,
  DataSourceVariable,
  EmbeddedScene,
  QueryVariable,
  SceneControlsSpacer,
  SceneDataLayerControls,
  SceneDataLayerSet,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
  behaviors,
  dataLayers,
} from '@grafana/scenes';
import { PANELS } from './panels.jsx';

const VARIABLES = {
  datasource: (model, base) => new DataSourceVariable({ ...base, pluginId: model.query }),
  query: (model, base) =>
    new QueryVariable({
      ...base,
      query: model.query,
      datasource: model.datasource,
      refresh: model.refresh,
      sort: model.sort,
    }),
  custom: (model, base) => new CustomVariable({ ...base, query: model.query }),
  constant: (model, base) => new ConstantVariable({ ...base, value: model.query }),
};

function variable(model, chosen) {
  const base = { name: model.name, label: model.label, hide: model.hide, skipUrlSync: true };
  if (model.includeAll) {
    Object.assign(base, { isMulti: model.multi, includeAll: true, allValue: model.allValue, defaultToAll: true });
  }
  if (chosen !== undefined) {
    Object.assign(base, { value: chosen, text: chosen });
  } else if (model.current?.value !== undefined) {
    const everything = model.current.value === '$__all';
    Object.assign(base, { value: everything ? ['$__all'] : model.current.value, text: model.current.text });
  }
  return VARIABLES[model.type](model, base);
}

function panel(model) {
  const known = model.type in PANELS;
  if (!known) window.report.unsupported.push(model.type);
  let $data = new SceneQueryRunner({
    datasource: model.datasource,
    queries: model.targets,
    maxDataPointsFromWidth: true,
  });
  if (model.transformations?.length) {
    $data = new SceneDataTransformer({ $data, transformations: model.transformations });
  }
  return new VizPanel({
    key: `panel-${model.id}`,
    title: model.title,
    description: model.description,
    pluginId: model.type,
    options: model.options ?? {},
    fieldConfig: { defaults: {}, overrides: [], ...model.fieldConfig },
    $data,
  });
}

function item(model) {
  const { x, y, w, h } = model.gridPos;
  return new SceneGridItem({ x, y, width: w, height: h, body: panel(model) });
}

function grid(panels) {
  const children = [];
  let row = null;
  for (const model of panels) {
    if (model.type === 'row') {
      row = new SceneGridRow({ title: model.title, y: model.gridPos.y, isCollapsible: true, children: [] });
      children.push(row);
    } else if (row) {
      row.setState({ children: [...row.state.children, item(model)] });
    } else {
      children.push(item(model));
    }
  }
  return new SceneGridLayout({ isLazy: false, children });
}

export function sceneOf(dashboard, { from, chosen }) {
  // Ad hoc filters are chosen by hand, so there is nothing to draw but an empty box.
  const variables = dashboard.templating.list.filter((model) => model.type !== 'adhoc');
  const layers = (dashboard.annotations.list ?? []).map(
    (query) => new dataLayers.AnnotationsDataLayer({ name: query.name, isEnabled: query.enable, query }),
  );
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from: from ?? dashboard.time.from, to: dashboard.time.to, timeZone: 'utc' }),
    $variables: new SceneVariableSet({ variables: variables.map((model) => variable(model, chosen[model.name])) }),
    $data: new SceneDataLayerSet({ layers }),
    $behaviors: [new behaviors.CursorSync({ sync: dashboard.graphTooltip })],
    controls: [
      new VariableValueSelectors({}),
      ...(layers.length ? [new SceneDataLayerControls()] : []),
      new SceneControlsSpacer(),
      new SceneTimePicker({}),
    ],
    body: grid(dashboard.panels),
  });
}
