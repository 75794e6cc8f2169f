package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// query is one expression of a panel, and the name of each series that it gives.
type query struct{ expr, legend string }

// of selects a metric of the registries that the viewer chose. It may have more matchers.
func of(metric string, more ...string) string {
	matchers := `job="$job",instance=~"$instance"`
	for _, m := range more {
		matchers += "," + m
	}
	return fmt.Sprintf("%s{%s}", metric, matchers)
}

// rate is how much a counter grows a second.
func rate(metric string, more ...string) string {
	return "rate(" + of(metric, more...) + "[$__rate_interval])"
}

// registry is the legend of series that are one for each registry, which named gives its name.
const registry = "{{name}} ({{instance}})"

// named gives each series the name of its registry.
func named(expr string) string {
	return "(" + expr + ") * on (job, instance) group_left (name) " + of("registry_ipfs_info")
}

// each is a metric of each registry.
func each(metric string, more ...string) query { return query{named(of(metric, more...)), registry} }

// lines is a panel with a line for each series.
func lines(title, unit, about string, queries ...query) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(about).Datasource(source()).
		Unit(unit).Min(0).Span(8).Height(8).FillOpacity(5).ShowPoints(common.VisibilityModeNever).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom))
	for i, q := range queries {
		p.WithTarget(target(i, q))
	}
	return p
}

// bad is a number that should be 0.
func bad(title, about, expr string) *stat.PanelBuilder {
	return number(title, about, expr).Thresholds(dashboard.NewThresholdsConfigBuilder().
		Mode(dashboard.ThresholdsModeAbsolute).
		Steps([]dashboard.Threshold{{Color: "green"}, {Color: "red", Value: cog.ToPtr(1.0)}}))
}

func number(title, about, expr string) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(about).Datasource(source()).
		Span(4).Height(4).GraphMode(common.BigValueGraphModeNone).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		WithTarget(target(0, query{expr: expr}))
}

func target(i int, q query) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source()).Expr(q.expr).LegendFormat(q.legend).RefId(string(rune('A' + i)))
}

// source is the Prometheus that the viewer chose.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}
