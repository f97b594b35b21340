"""What the boards are written with: Grafana's own builders, and the few choices that all panels share."""

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

METRICS = models.DataSourceRef(type_val="prometheus", uid="${metrics}")
REGISTRY = models.DataSourceRef(type_val="grafana-postgresql-datasource", uid="${registry}")

# In the order in which a person goes through them.
BOARDS = [
    ("lockstep-fleet", "Fleet"),
    ("lockstep-deliveries", "Sync status"),
    ("lockstep-secret", "Secret: who has which version"),
    ("lockstep-rotation", "Rotation"),
    ("lockstep-control-plane", "Control plane and Vault"),
]

GREEN, BLUE, YELLOW, ORANGE, RED, PURPLE, GREY = "green", "blue", "yellow", "orange", "red", "purple", "text"
# Every word of a delivery's closed set of statuses, of a rotation's states and of a cluster's.
COLOURS = {
    "InSync": GREEN, "Sending": BLUE, "Pending": YELLOW, "Stale": ORANGE, "Held": PURPLE, "Paused": GREY,
    "Conflict": RED, "Failed": RED, "Denied": RED,
    "Running": BLUE, "Waiting": GREEN, "Done": GREEN, "Overdue": RED, "Suspended": GREY,
    "Active": GREEN, "Revoked": RED, "Removing": ORANGE,
    "Live": GREEN, "Deleted": ORANGE, "Destroyed": ORANGE, "Missing": RED, "WentBack": RED, "Unseen": YELLOW,
}


class Sql(variants.Dataquery):
    """A query of the registry's views; the builders know no PostgreSQL."""

    def __init__(self, sql):
        self.sql = " ".join(sql.split())

    def to_json(self):
        return {
            "refId": "A", "datasource": REGISTRY, "editorMode": "code", "format": "table", "rawQuery": True, "rawSql": self.sql,
        }


class Built(Builder):
    """What is built already, where a builder is asked for."""

    def __init__(self, value):
        self.value = value

    def build(self):
        return self.value


def board(uid, description, variables):
    """A board with its data sources, its variables and links to the others."""
    title = dict(BOARDS)[uid]
    built = (
        dashboard.Dashboard(f"Lockstep: {title}").uid(uid).description(description).tags(["lockstep"]).readonly()
        .time("now-6h", "now").refresh("30s").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(_source("metrics", "Metrics", "prometheus", "lockstep-prometheus"))
        .with_variable(_source("registry", "Registry", "grafana-postgresql-datasource", "lockstep-registry"))
    )
    for variable in variables:
        built.with_variable(variable)
    for other, name in BOARDS:
        if other != uid:
            built.link(
                dashboard.DashboardLink(name).type(models.DashboardLinkType.LINK).url(f"/d/{other}")
                .include_vars(True).keep_time(True)
            )
    return built


def _source(name, label, kind, uid):
    chosen = models.VariableOption(selected=True, text=uid, value=uid)
    return dashboard.DatasourceVariable(name).label(label).type(kind).current(chosen)


def choice(name, label, description, sql, several=True):
    """A variable with values from the registry; of several all are chosen at first."""
    variable = (
        dashboard.QueryVariable(name).label(label).description(description).datasource(REGISTRY).query(" ".join(sql.split()))
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if several:
        everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        variable.multi(True).include_all(True).current(everything)
    return variable


CLUSTER = choice("cluster", "Cluster", "Which clusters are shown", "select cluster from grafana.clusters order by 1")
PROJECT = choice(
    "project", "Project", "Whose bindings are shown", "select distinct project from grafana.deliveries order by 1"
)
SOURCE = choice("source", "Source", "Which sources are shown", "select source from grafana.sources order by 1")


def number(title, description, query, unit="none", steps=((None, GREEN),), width=4, instant=True):
    """One figure, of metrics (an expression) or of the registry (a Sql)."""
    panel = (
        stat.Panel().title(title).description(description).unit(unit).span(width).height(4).thresholds(_steps(steps))
        .graph_mode(common_models.BigValueGraphMode.NONE).color_mode(common_models.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(""))
    )
    return _asks(panel, query, instant)


def lines(title, description, queries, unit, width=12, stacked=False, minimum=0):
    """Figures over time: legend to expression."""
    panel = (
        timeseries.Panel().title(title).description(description).unit(unit).span(width).height(8)
        .fill_opacity(30 if stacked else 8).show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions().display_mode(common_models.LegendDisplayMode.TABLE)
            .placement(common_models.LegendPlacement.BOTTOM).show_legend(True).calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI).sort(common_models.SortOrder.DESCENDING))
    )
    if minimum is not None:
        panel.min(minimum)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    panel.datasource(METRICS)
    for letter, (legend, expression) in zip("ABCDEFGH", queries.items()):
        panel.with_target(prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(METRICS))
    return panel


def rows(title, description, query, columns, width=24, height=10, empty="none"):
    """A table of the registry's: `columns` says of each how it is shown; those that are not named are text."""
    panel = (
        table.Panel().title(title).description(description).unit("string").span(width).height(height).no_value(empty)
        .cell_height(common_models.TableCellHeight.SM).filterable(True)
    )
    for name, properties in columns.items():
        panel.override_by_name(name, properties)
    return _asks(panel, query, True)


def matrix(title, description, query, row, column, value, width=24, height=12):
    """A row for each `row`, a column for each `column`, and in each field the value's colour."""
    shape = {"rowField": row, "columnField": column, "valueField": value, "emptyValue": "empty"}
    first = models.DynamicConfigValue
    return (
        rows(title, description, query, {}, width, height, "nothing is placed here")
        .with_transformation(models.DataTransformerConfig(id_val="groupingToMatrix", options=shape))
        .mappings([_colours()])
        .override_by_regexp(".*", _filled())
        # The corner is named after both.
        .override_by_name(f"{row}\\{column}", [first("custom.cellOptions", {"type": "auto"}), first("custom.minWidth", 140), _to("cluster")])
    )


def _asks(panel, query, instant):
    if isinstance(query, Sql):
        return panel.datasource(REGISTRY).with_target(Built(query))
    asked = prometheus.Dataquery().expr(query).ref_id("A").datasource(METRICS)
    return panel.datasource(METRICS).with_target(asked.instant() if instant else asked)


def _steps(steps):
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(
        [models.Threshold(value=value, color=colour) for value, colour in steps]
    )


def _colours():
    return models.ValueMap(
        options={
            word: models.ValueMappingResult(text=word, color=colour, index=index)
            for index, (word, colour) in enumerate(COLOURS.items())
        }
    )


def _filled():
    return [models.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"})]


# How a column is shown.


def word():
    """A status or state, in its colour."""
    return [models.DynamicConfigValue("mappings", [_colours()]), *_filled(), _width(110)]


def yes_or_no():
    options = {
        "true": models.ValueMappingResult(text="yes", color=GREEN, index=0),
        "false": models.ValueMappingResult(text="no", color=RED, index=1),
    }
    return [
        models.DynamicConfigValue("mappings", [models.ValueMap(options=options)]),
        models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}), _width(90),
    ]


def unit(name, width=110):
    return [models.DynamicConfigValue("unit", name), _width(width)]


def ago():
    """A time, as how long ago it was or how soon it will be."""
    return unit("dateTimeFromNow", 150)


def seconds(*steps):
    """A duration, coloured from these thresholds on."""
    coloured = [
        models.DynamicConfigValue("thresholds", _steps(((None, GREEN), *steps)).build()),
        models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]
    return unit("s") + (coloured if steps else [])


def leads_to(what):
    """A name that leads to the board which shows it."""
    return [_to(what), _width(170)]


def hidden():
    return [models.DynamicConfigValue("custom.hidden", True)]


def wide():
    return [models.DynamicConfigValue("custom.minWidth", 320), models.DynamicConfigValue("custom.cellOptions", {"type": "auto", "wrapText": True})]


def _width(pixels):
    return models.DynamicConfigValue("custom.width", pixels)


def _to(what):
    url, name = {
        "cluster": ("/d/lockstep-deliveries?${__url_time_range}&var-cluster=${__value.text}", "Its deliveries"),
        "secret": ("/d/lockstep-secret?${__url_time_range}&var-secret=${__value.text}", "Who has which version"),
        "rotation": ("/d/lockstep-rotation?${__url_time_range}&var-rotation=${__value.text}", "Its runs"),
        "source": ("/d/lockstep-control-plane?${__url_time_range}&var-source=${__value.text}", "How it is watched"),
        "binding": ("/d/lockstep-deliveries?${__url_time_range}&var-binding=${__value.text}", "Where it is delivered"),
    }[what]
    return models.DynamicConfigValue("links", [{"title": name, "url": url}])
