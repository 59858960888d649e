// Stand-ins for what Grafana's application gives to its packages: registries, the data source, template variables.
import {
  EventBusSrv,
  LoadingState,
  booleanOverrideProcessor,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import * as runtime from '@grafana/runtime';
import { sceneGraph } from '@grafana/scenes';
import { catchError, from, map, of, startWith } from 'rxjs';
import { PrometheusSource } from './prometheus.js';

const Nothing = () => null;

const EDITORS = [
  'number', 'slider', 'text', 'strings', 'boolean', 'select', 'radio', 'unit', 'color', 'fieldColor', 'thresholds',
  'mappings', 'links', 'stats-picker', 'timezone', 'fieldName', 'dashboard-uid', 'multi-select', 'actions',
  'field-name', 'cell-height', 'alignment',
];

const STANDARD_OPTIONS = [
  ['unit', unitOverrideProcessor],
  ['min', numberOverrideProcessor],
  ['max', numberOverrideProcessor],
  ['decimals', numberOverrideProcessor],
  ['displayName', displayNameOverrideProcessor],
  ['color', identityOverrideProcessor],
  ['noValue', stringOverrideProcessor],
  ['links', dataLinksOverrideProcessor],
  ['mappings', valueMappingsOverrideProcessor],
  ['thresholds', thresholdsOverrideProcessor],
  ['filterable', booleanOverrideProcessor],
  ['fieldMinMax', identityOverrideProcessor],
  ['actions', identityOverrideProcessor],
];

export function setUpRuntime(theme, scrape) {
  Object.assign(runtime.config, {
    theme2: theme,
    theme: theme.v1,
    bootData: { user: { orgId: 1, timezone: 'utc' }, settings: {}, navTree: [] },
    buildInfo: { version: '13.2.2', env: 'production' },
    featureToggles: {},
  });

  standardEditorsRegistry.setInit(() => EDITORS.map((id) => ({ id, name: id, editor: Nothing, override: Nothing })));
  standardFieldConfigEditorRegistry.setInit(() =>
    STANDARD_OPTIONS.map(([id, process]) => ({
      id,
      path: id,
      name: id,
      editor: Nothing,
      override: Nothing,
      process,
      shouldApply: () => true,
      category: [],
    })),
  );
  const transformers = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
  standardTransformersRegistry.setInit(() =>
    [...transformers.values()].map((one) => ({
      id: one.id,
      name: one.name,
      transformation: async () => one,
      editor: Nothing,
    })),
  );

  const source = new PrometheusSource(scrape);
  runtime.setDataSourceSrv({
    get: async () => source,
    getInstanceSettings: () => source.instanceSettings,
    getList: () => [source.instanceSettings],
    reload() {},
  });
  runtime.setTemplateSrv({
    getVariables: () => [],
    containsTemplate: (text) => /\$/.test(text ?? ''),
    updateTimeRange() {},
    replace: (text, variables, format) =>
      variables?.__sceneObject
        ? sceneGraph.interpolate(variables.__sceneObject.value.valueOf(), text, variables, format)
        : text,
  });
  runtime.setRunRequest((datasource, request) => {
    const state = (more) => ({ series: [], timeRange: request.range, request, ...more });
    return from(datasource.query(request)).pipe(
      map((answer) => state({ state: LoadingState.Done, series: answer.data })),
      catchError((error) => {
        window.report.errors.push(String(error));
        return of(state({ state: LoadingState.Error, errors: [{ message: String(error) }] }));
      }),
      startWith(state({ state: LoadingState.Loading })),
    );
  });
  runtime.setPluginImportUtils({
    importPanelPlugin: async (id) => {
      throw new Error(`no panel of type ${id}`);
    },
    getPanelPluginFromCache: () => undefined,
  });
  runtime.setAppEvents(new EventBusSrv());
  runtime.setEchoSrv({ flush() {}, addBackend() {}, addEvent() {} });
  runtime.setBackendSrv({ fetch: () => of({ data: {} }), get: async () => ({}), datasourceRequest: async () => ({}) });
  for (const hook of ['setPluginLinksHook', 'setPluginComponentsHook', 'setPluginComponentHook', 'setPluginFunctionsHook']) {
    runtime[hook]?.(() => ({ isLoading: false, links: [], components: [], component: null, functions: [] }));
  }
  runtime.setReturnToPreviousHook?.(() => () => {});
}
