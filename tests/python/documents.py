"""redis-py's JSON commands on a document of which parts are encrypted; the caller looks at the database."""

import argparse

import redis
from redis.commands.json.path import Path
from redis.exceptions import ResponseError


def refused(call, *args):
    try:
        call(*args)
    except ResponseError as error:
        assert str(error).startswith("WAXSEAL JSON_REFUSED"), error
    else:
        raise AssertionError(f"{args} was not refused")


def document(client, marker):
    doc = {
        "ssn": marker + " 078-05-1120",
        "age": 42,
        "card": {"number": 4111111111111111, "holder": "Ann \u00c4rmel"},
        "notes": [marker, {"of": marker}, None, False],
        "people": [{"name": marker, "id": 1}],
    }
    json = client.json()
    assert json.set("doc:1", Path.root_path(), doc)
    assert json.get("doc:1") == doc
    assert json.get("doc:1", "$") == [doc]
    assert json.get("doc:1", Path(".card.number")) == doc["card"]["number"]
    assert json.get("doc:1", "$.ssn", "$.age") == {"$.ssn": [doc["ssn"]], "$.age": [42]}
    assert json.set("doc:1", "$.ssn", marker + " again", xx=True)
    assert json.get("doc:1", "$.ssn") == [marker + " again"]
    assert json.set("doc:1", "$.ssn", "x", nx=True) is None
    assert json.numincrby("doc:1", "$.age", 1) == [43]
    assert json.arrappend("doc:1", "$.notes", marker + " last") == [5]
    assert json.arrinsert("doc:1", "$.notes", 0, marker + " first") == [6]
    assert json.arrpop("doc:1", "$.notes") == ['"' + marker + ' last"']
    assert json.get("doc:1", "$.notes") == [[marker + " first", *doc["notes"]]]
    assert json.merge("doc:1", "$", {"card": {"number": marker}}) is True
    assert json.get("doc:1", "$.card") == [{"number": marker, "holder": "Ann \u00c4rmel"}]
    assert json.objkeys("doc:1", "$.card") in ([["number", "holder"]], [["holder", "number"]])
    assert json.mset([("doc:2", "$", {"ssn": marker}), ("plain", "$", {"ssn": "clear"})])
    assert json.mget(["doc:2", "plain", "doc:none"], "$.ssn") == [[marker], ["clear"], None]
    assert json.delete("doc:2", "$.ssn") == 1
    assert json.get("doc:2") == {}
    with client.pipeline(transaction=True) as pipe:
        pipe.json().set("doc:3", "$", doc)
        pipe.json().get("doc:3")
        assert pipe.execute()[1] in (doc, [doc])
    refused(json.get, "doc:1", "$..ssn")
    refused(json.strappend, "doc:1", marker, "$.ssn")
    refused(json.strlen, "doc:1", "$.ssn")
    refused(json.numincrby, "doc:1", "$.card.number", 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--protocol", type=int, required=True)
    parser.add_argument("--marker", required=True)
    args = parser.parse_args()
    client = redis.Redis(port=args.port, protocol=args.protocol, decode_responses=True)
    document(client, args.marker)


if __name__ == "__main__":
    main()
