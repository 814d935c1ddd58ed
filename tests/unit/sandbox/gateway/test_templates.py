from __future__ import annotations

from typing import Any

import pytest

from sandbox.gateway.exchange import Request
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.templates import Template, TemplateError, lost_signs
from sandbox.gateway.variables import Scope

# The tutorial-shaped templates of student projects, as they should be.
PUT_ONE = """#set($d = $input.json('$.Data'))
{"StreamName":"$input.params('stream-name')",
 "PartitionKey":"$input.path('$.PartitionKey')","Data":"$util.base64Encode($d)"}"""
PUT_MANY = """{"StreamName": "$input.params('stream-name')",
 "Records": [
 #foreach($elem in $input.path('$.records'))
 {"Data": "$util.base64Encode($elem.data)", "PartitionKey": "$elem.partition-key"}#if($foreach.hasNext),#end
 #end
 ]}"""
CREATE = """{"ShardCount": #if($input.path('$.ShardCount') == '') 5 #else $input.path('$.ShardCount') #end,
"StreamName": "$input.params('stream-name')"}"""


def render(source: str, body: Any = "{}", **request: Any) -> str:
    made = Request("POST", "dev", {"prefix": "p"}, "/x", body=str(body).encode(), **request)
    return Scope(made).render(Template(source), str(body))


class TestLostSigns:
    @pytest.mark.parametrize(
        "source", [PUT_ONE, PUT_MANY, CREATE, "{}", "plain text", "## input.path(x) in a comment\n{}"]
    )
    def test_whole_templates_pass(self, source: str) -> None:
        assert list(lost_signs(source)) == []

    @pytest.mark.parametrize("source", [PUT_ONE, PUT_MANY, CREATE])
    def test_templates_without_any_sign_are_refused(self, source: str) -> None:
        with pytest.raises(TemplateError, match="lost its \\$ signs"):
            Template(source.replace("$", ""))

    @pytest.mark.parametrize(
        ("source", "line", "word"),
        [
            ("#if(input.path('.ShardCount') == '')5#end", 1, "input.path"),
            ("{\n#foreach(elem in $input.path('$.records'))x#end", 2, "elem"),
            ("#foreach($elem in input.path('$.records'))x#end", 1, "input.path"),
            ('#foreach($elem in $l)\n\n{"k":"elem.partition-key"}#end', 3, "elem"),
            ("#set(x = 3)", 1, "x"),
            ("#set($x = y)", 1, "y"),
            ("#if(x == 3)a#end", 1, "x"),
            ("{}\n{}\n#elseif(done)", 3, "done"),
            ('{"Data":"util.base64Encode($d)"}', 1, "util.base64Encode"),
            ('{"StreamName": "input.params(\'stream-name\')"}', 1, "input.params"),
            ("$input.path('.Data')", 1, "$input.path('...."),
            ('{"a":"stageVariables.prefix"}', 1, "stageVariables"),
            ('{"a":"context.requestId"}', 1, "context.requestId"),
            ('{"a":input.body}', 1, "input.body"),
        ],
    )
    def test_the_line_and_the_word_are_named(self, source: str, line: int, word: str) -> None:
        found = next(iter(lost_signs(source)))
        assert found.line == line
        assert found.text == source.splitlines()[line - 1]
        assert found.reason.startswith(f"{word} has no $ sign")

    @pytest.mark.parametrize(
        "source",
        [
            "#if($a && !$b || $c.size() > 0)x#end",
            '#if("$!key" == "input is text")x#end',
            "#foreach($i in [1..3])$i#end",
            "#set($m = {\"a b\": 1, 'c': true})",
            "#if(${a} == false and not $b)x#end",
            "#set($x.y = $z.get('k').name)",
            "$!{input.path('$.a')} $!input.body ${input.body}",
            "my.input.path my_util.base64Encode",
            "#* input.path('a')\n util.x *#\n{}",
        ],
    )
    def test_no_false_alarm(self, source: str) -> None:
        assert [str(problem) for problem in lost_signs(source)] == []

    def test_what_is_not_vtl_is_refused_with_its_line(self) -> None:
        with pytest.raises(TemplateError) as caught:
            Template("{}\n#if($x == 1) open")
        assert caught.value.line == 2
        assert "this is not VTL" in str(caught.value)


class TestRendering:
    def test_put_one(self) -> None:
        body = '{"Data":{"index":1,"t\u00edtulo":"it\'s <x> & \\"q\\""},"PartitionKey":"pk"}'
        import base64
        import json

        made = json.loads(render(PUT_ONE, body, path_values={"stream-name": "s%201"}))
        assert (made["StreamName"], made["PartitionKey"]) == ("s 1", "pk")
        assert json.loads(base64.b64decode(made["Data"])) == {"index": 1, "t\u00edtulo": 'it\'s <x> & "q"'}

    def test_put_many_reads_the_hyphenated_field(self) -> None:
        import base64
        import json

        body = '{"records":[{"data":"a","partition-key":"k1"},{"data":{"n":null},"partition-key":"k2"}]}'
        made = json.loads(render(PUT_MANY, body, path_values={"stream-name": "s"}))
        assert [record["PartitionKey"] for record in made["Records"]] == ["k1", "k2"]
        assert [base64.b64decode(record["Data"]) for record in made["Records"]] == [b"a", b"{n=null}"]

    @pytest.mark.parametrize(
        ("body", "count"), [("{}", "5"), ("", "5"), ('{"ShardCount":3}', "3"), ('{"ShardCount":null}', "5")]
    )
    def test_create_takes_its_default(self, body: str, count: str) -> None:
        assert render(CREATE, body).split(":")[1].split(",")[0].strip() == count

    @pytest.mark.parametrize(
        ("source", "body", "expected"),
        [
            ("$input.json('$')", '{"a": [1, null, "\u00e9"]}', '{"a":[1,null,"\u00e9"]}'),
            ("$input.json('$.a[1].b')", '{"a":[0,{"b":2.50}]}', "2.5"),
            ("$input.json('$.nope')", "{}", '""'),
            ("[$!input.path('$.nope')]", "{}", "[]"),
            ("#if($input.path('$.x'))yes#{else}no#end", '{"x":null}', "no"),
            ("#if($input.path('$.x'))yes#{else}no#end", "{}", "no"),
            ("#if($input.path('$.x'))yes#{else}no#end", '{"x":1}', "yes"),
            ("$input.body", '{"a":"$x #if(1)"}', '{"a":"$x #if(1)"}'),
            ("$input.body", "not json", "not json"),
            ("$input.path('$.t') $input.path('$.f') $input.path('$.n')", '{"t":true,"f":false,"n":3}', "true false 3"),
            ("$stageVariables.prefix|$context.stage|$context.httpMethod", "{}", "p|dev|POST"),
            ("$util.urlEncode('a b&c')|$util.urlDecode('a+b%26')", "{}", "a+b%26c|a b&"),
            ("$util.base64Decode($util.base64Encode('\u00e9'))", "{}", "\u00e9"),
            ('$util.parseJson(\'{"a":{"b":5}}\').a.b', "{}", "5"),
            ("#foreach($e in $input.path('$.l'))$foreach.count:$e;#end", '{"l":["x","y"]}', "1:x;2:y;"),
            ("#set($r = $input.path('$'))#foreach($k in $r.keySet())$k=$r.get($k) #end", '{"a":1,"b":2}', "a=1 b=2 "),
        ],
    )
    def test_constructs(self, source: str, body: str, expected: str) -> None:
        assert render(source, body) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ('{"a":"x","b":{"c":true}}', "{a=x, b={c=true}}"),
            ('{"a":[{"b":1},"t"]}', '{a=[{"b":1},"t"]}'),
            ('[{"a":null}]', '[{"a":null}]'),
            ("{}", "{}"),
            ("2.5", "2.5"),
        ],
    )
    def test_an_object_given_to_a_function_is_a_java_maps_text(self, value: str, expected: str) -> None:
        source = "$util.base64Decode($util.base64Encode($input.path('$.v')))"
        assert render(source, f'{{"v":{value}}}') == expected

    def test_escape_java_script(self) -> None:
        assert render("$util.escapeJavaScript($input.path('$.a'))", '{"a":"q\\"\\n\'s"}') == "q\\\"\\n\\'s"

    def test_params_look_in_path_then_query_then_headers(self) -> None:
        request = {"path_values": {"a": "p"}, "query": "a=q&b=q", "headers": (("a", "h"), ("X-C", "h"))}
        source = "$input.params('a')$input.params('b')$input.params('x-c')|$input.params('none')"
        assert render(source, **request) == "pqh|"

    def test_all_params(self) -> None:
        source = "$input.params().querystring.get('b')-$input.params().get('header').get('X-C')"
        assert render(source, query="b=1", headers=(("X-C", "h"),)) == "1-h"

    def test_a_template_that_fails_is_a_configuration_error(self) -> None:
        with pytest.raises(Fault) as caught:
            render("$util.parseJson('{')")
        assert caught.value.kind is Kind.API_CONFIGURATION_ERROR
        assert "the mapping template failed" in caught.value.cause

    def test_a_jsonpath_without_its_root_is_a_configuration_error(self) -> None:
        with pytest.raises(Fault) as caught:
            render("$input.json('Data')", '{"Data":1}')
        assert caught.value.kind is Kind.API_CONFIGURATION_ERROR
        assert "does not begin with $" in caught.value.cause

    def test_the_context_outlives_the_request_template(self) -> None:
        scope = Scope(Request("POST", "dev", {}, "/x"))
        scope.render(Template("#set($context.requestOverride.path.body = $input.body)"), '{"a":1}')
        assert scope.render(Template("$context.requestOverride.path.body"), "other") == '{"a":1}'
