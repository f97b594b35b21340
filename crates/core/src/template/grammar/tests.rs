use super::super::check_syntax;
use super::*;

#[test]
fn what_templates_have_is_accepted() {
    for text in [
        "",
        "{ plain } text, with [brackets] and (commas, too) {# and {{ a comment #}",
        "{{ a }}{{ keys[\"tls.crt\"] }}{{ keys.a.b }}{{ a[0] }}{{ a[1:3] }}",
        "{{ (a ~ b) | replace(\"x\", \"y\") | default(\"z\", true) | upper }}",
        "{% if a and (b or not c) %}x{% elif a in [\"x\", \"y\"] or b %}y{% else %}z{% endif %}",
        "{% for k in keys %}{% if loop.first %}{{ loop.cycle(\"a\", \"b\") }}{% endif %}{% endfor %}",
        "{% for k in [\"a\", 1, true] if k != 1 %}{% else %}{% endfor %}",
        "{% for a, b in keys %}{% endfor %}",
        "{{ \"x\" if a in [\"b\"] else \"y\" }}{{ (a in [\"b\"]) and a is not in [\"c\"] }}",
        "{% set x = a | trim %}{% set y %}{{ x }}{% endset %}{% with z = y %}{{ z }}{% endwith %}",
        "{% filter indent(2) | upper %}x{% endfilter %}{% raw %}{{ [x, x] }}{% do %}{% endraw %}",
        "{{ a is startingwith(\"b\") }}{{ a is divisibleby 3 }}{{ a[-1] ~ -1 }}",
    ] {
        assert_eq!(check_syntax(text), Ok(()), "{text}");
    }
}

#[test]
fn what_could_grow_without_being_counted_is_refused() {
    for (text, part) in [
        ("{% include \"other\" %}", "no statement \"include\""),
        ("{% extends \"other\" %}", "no statement"),
        ("{% import \"other\" as o %}", "no statement"),
        ("{% from \"other\" import o %}", "no statement"),
        ("{% macro m() %}{% endmacro %}", "no statement"),
        ("{% call m() %}{% endcall %}", "no statement"),
        ("{% block b %}{% endblock %}", "no statement"),
        ("{% autoescape true %}{% endautoescape %}", "no statement"),
        ("{% do a.b() %}", "no statement"),
        ("{{ a | map(\"upper\") }}", "no filter \"map\""),
        ("{{ a | upper | list }}", "no filter \"list\""),
        ("{% filter join %}{% endfilter %}", "no filter \"join\""),
        ("{% set x | split %}{% endset %}", "no filter \"split\""),
        ("{{ f(a | zip(a)) }}", "no filter \"zip\""),
        ("{% set x = [x, x] %}", "follow `in`"),
        ("{% set x = [\"a\"] %}", "follow `in`"),
        ("{{ f([x]) }}", "follow `in`"),
        ("{{ a in [x, x] }}", "made of constants"),
        ("{{ a in [[1]] }}", "follow `in`"),
        ("{{ a in [(1)] }}", "made of constants"),
        ("{{ a in [1 + 1] }}", "made of constants"),
        ("{{ a in [\"x\" | upper] }}", "made of constants"),
        ("{% for x in [\"a\"] + [\"b\"] %}{% endfor %}", "nothing else can be done"),
        ("{% for x in [\"a\"] * 9 %}{% endfor %}", "nothing else can be done"),
        ("{{ a in [\"a\"] ~ \"b\" }}", "nothing else can be done"),
        ("{{ a in [\"a\"][0] }}", "nothing else can be done"),
        ("{{ a in [\"a\"].x }}", "nothing else can be done"),
        ("{{ a in [\"a\"] | upper }}", "nothing else can be done"),
        ("{% set x = {\"a\": x} %}", "no maps"),
        ("{{ {} }}", "no maps"),
        ("{% set x = (x, x) %}", "no tuples"),
        ("{% set x = x, x %}", "no tuples"),
        ("{% set x, y = x %}", "no tuples"),
        ("{{ a, b }}", "no tuples"),
        ("{{ f(x, (x, x)) }}", "no tuples"),
        ("{{ a[x, x] }}", "no tuples"),
        ("{{ x if y else (x, x) }}", "no tuples"),
        ("{{ a in (x, x) }}", "no tuples"),
        ("{{ not (x, x) }}", "no tuples"),
        ("{% for a in x, x %}{% endfor %}", "no tuples"),
        ("{% for a, b in (x, x) %}{% endfor %}", "no tuples"),
        ("{% if (x, x) %}{% endif %}", "no tuples"),
        ("{% with a = x, b = x %}{% endwith %}", "no tuples"),
        ("{% for a in x recursive %}{% endfor %}", "no recursive loops"),
        ("{% for a in [\"x\"] recursive %}{% endfor %}", "no recursive loops"),
    ] {
        let refused = check_syntax(text).unwrap_err();
        assert!(refused.detail.contains(part), "{text}: {refused}");
    }
}

/// In the unoptimized build and on the stack of a test each of these would have overflowed it.
#[test]
fn as_many_operators_as_there_may_be_overflow_no_stack() {
    for (before, unit, after) in [
        ("{{ 1", "+a", " }}"),
        ("{{ a", "~a", " }}"),
        ("{{ a", "**a", " }}"),
        ("{{ a", " and a", " }}"),
        ("{{ a", "|upper", " }}"),
        ("{{ a", ".a", " }}"),
        ("{{ a", "[0]", " }}"),
        ("{{ a", "[:]", " }}"),
        ("{{ a", "()", " }}"),
        ("{{ a", " is string", " }}"),
        ("{{ ", "not ", "a }}"),
        ("{{ ", "-", "a }}"),
        ("{{ ", "a if a else ", "a }}"),
        ("{% if a %}", "{% elif a %}", "{% endif %}"),
        ("", "{{ a }}", ""),
        ("", "{% set a = a[:] %}", "{{ a }}"),
        ("", "(", ""),
        ("{{ ", "(", ""),
        ("", "{% if a %}", ""),
    ] {
        let with = |n: usize| format!("{before}{}{after}", unit.repeat(n));
        let too_many = |n: &usize| check(&with(*n), SyntaxConfig::default()).is_err_and(|e| e.detail.contains("tokens"));
        let most = (1..=TEMPLATE_TOKENS_MAX).collect::<Vec<_>>().partition_point(|n| !too_many(n));
        assert!(most > TEMPLATE_TOKENS_MAX / 16, "{unit}");
        let _ = super::super::tests::made(&with(most));
    }
}
