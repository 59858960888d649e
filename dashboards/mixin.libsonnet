// The dashboards and rules as a monitoring mixin, for those who install such things by jsonnet:
//
//   jb install github.com/mail-exporter/mail-exporter/dashboards@main
//   (import 'dashboards/mixin.libsonnet') + { _config+:: { ... } }
//
// The files are the generated ones beside this. With other thresholds, labels or links: `python -m dashboards --output=DIR`.
local rules = std.parseYaml(importstr 'alerts/mail-exporter.rules.yaml');

local having(field) = {
  groups: [
    group { rules: [rule for rule in group.rules if std.objectHas(rule, field)] }
    for group in rules.groups
    if std.length([rule for rule in group.rules if std.objectHas(rule, field)]) > 0
  ],
};

{
  _config+:: {
    // Where people reach the exporter's pages: alerts and dashboards link there.
    externalUrl: '',
    // Alerts to leave out, by name.
    without: [],
    // Further labels of every alert.
    alertLabels: {},
  },

  local config = self._config,
  local linked(text, from) = if config.externalUrl == '' then text else std.strReplace(text, from, config.externalUrl),

  grafanaDashboards+:: {
    [name]: std.parseJson(linked(boards[name], 'http://localhost:9925'))
    for name in std.objectFields(boards)
  },

  prometheusRules+:: having('record'),

  prometheusAlerts+:: {
    groups: [
      group {
        rules: [
          rule {
            labels+: config.alertLabels,
            annotations: std.mapWithKey(
              function(_, text) linked(text, 'http://{{ $labels.instance }}'), rule.annotations
            ),
          }
          for rule in group.rules
          if !std.member(config.without, rule.alert)
        ],
      }
      for group in having('alert').groups
    ],
  },

  local boards = {
    'mail-overview.json': importstr 'mail-overview.json',
    'mail-endpoint.json': importstr 'mail-endpoint.json',
    'mail-certificates.json': importstr 'mail-certificates.json',
    'mail-flow.json': importstr 'mail-flow.json',
    'mail-domains.json': importstr 'mail-domains.json',
    'mail-exporter.json': importstr 'mail-exporter.json',
  },
}
