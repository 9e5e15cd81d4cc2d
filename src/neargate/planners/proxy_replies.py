"""What the load balancer itself answers, as AWS's does: bodies, the Server header, redirects, trace ids.

Bodies and texts as seen from Application Load Balancers (`Server: awselb/2.0`; 122 bytes for a 502, 162 for a 503, 132
for a 504, 134 for a 301, 110 for a 302).
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable

from neargate.model.records import Json

TYPE = "type.googleapis.com/"
SERVER = "awselb/2.0"

PHRASES = {
    301: "301 Moved Permanently",
    302: "302 Found",
    400: "400 Bad Request",
    408: "408 Request Time-out",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}


def body(status: int) -> str:
    """The page that goes with an answer of the balancer's own."""
    title = PHRASES[status]
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def local_replies() -> Json:
    """Envoy's own answers in AWS's words; the first mapper that matches counts. Fixed responses carry no flag, so
    none matches them."""
    return {
        "mappers": [
            _mapper(504, _flags("UT")),
            _mapper(504, _both(_status(504), _flags("SI"))),
            _mapper(408, _both(_status(408), _flags("SI"))),
            _mapper(504, _both(_flags("UF"), _details("connection_timeout"))),
            _mapper(502, _flags("UF", "UC", "UR", "LR", "UPE")),
            _mapper(503, _flags("UH", "NC", "UO", "NR")),
            _mapper(400, _both(_status(400), _flags("DPE"))),
        ]
    }


def _mapper(status: int, when: Json) -> Json:
    return {
        "filter": when,
        "status_code": status,
        "headers_to_add": [header("server", SERVER)],
        "body": {"inline_string": body(status)},
        "body_format_override": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "text/html",
        },
    }


def _flags(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(status: int) -> Json:
    value = {"default_value": status, "runtime_key": "neargate.none"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _both(*filters: Json) -> Json:
    return {"and_filter": {"filters": list(filters)}}


def _details(words: str) -> Json:
    kind = TYPE + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    config = {"@type": kind, "expression": f"response.code_details.contains('{words}')"}
    return {
        "extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}
    }


def header(key: str, value: str, *, append: bool = False) -> Json:
    """A header to add, or to replace, with Envoy's command operators."""
    action = "APPEND_IF_EXISTS_OR_ADD" if append else "OVERWRITE_IF_EXISTS_OR_ADD"
    return {"header": {"key": key, "value": value}, "append_action": action}


def literal(text: str) -> str:
    """A text in which Envoy shall see no command operator."""
    return text.replace("%", "%%")


def plain(status: int, content: str, content_type: str) -> Json:
    """A route's answer without any target: its action, and the headers that belong to it."""
    answer: Json = {"status": status}
    if content:
        answer["body"] = {"inline_string": content}
    headers = [header("server", SERVER)]
    if content_type:
        headers.append(header("content-type", literal(content_type)))
    return {"direct_response": answer, "response_headers_to_add": headers}


def names_page(host_port: int, names: Iterable[str]) -> str:
    """What somebody sees who asks this machine's port for a name that no load balancer has."""
    port = "" if host_port == 80 else f":{host_port}"
    items = "".join(
        f'<li><a href="http://{html.escape(name)}{port}/">{html.escape(name)}</a></li>\r\n'
        for name in sorted(names)
    )
    return (
        "<html>\r\n<head><title>Neargate load balancers</title></head>\r\n<body>\r\n"
        f"<h1>Load balancers on port {host_port}</h1>\r\n"
        f"<p>No load balancer of this server has the name that you asked for. These listen here:</p>\r\n"
        f"<ul>\r\n{items}</ul>\r\n</body>\r\n</html>\r\n"
    )


_SCRIPT = """
math.randomseed(os.time() + math.floor(os.clock() * 1000000))

local function trace(given)
  local root = string.format("1-%08x-%06x%06x%06x%06x", os.time(), math.random(0, 0xffffff),
    math.random(0, 0xffffff), math.random(0, 0xffffff), math.random(0, 0xffffff))
  if given == nil then return "Root=" .. root end
  if given:find("Root=", 1, true) then return "Self=" .. root .. ";" .. given end
  return given .. ";Root=" .. root
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace("X-Amzn-Trace-Id", trace(headers:get("x-amzn-trace-id")))
  local to = handle:metadata():get("redirect")
  if to == nil then return end
  local path, query = headers:get(":path"):match("^/?([^?]*)%??(.*)$")
  local host = headers:get(":authority"):gsub(":%d+$", "")
  local known = {protocol = to.scheme, host = host, port = to.from, path = path, query = query}
  local function filled(text)
    return (text:gsub("#{(%a+)}", known))
  end
  local location = filled(to.protocol):lower() .. "://" .. filled(to.host) .. ":" .. filled(to.port) .. filled(to.path)
  local asked = filled(to.query)
  if asked ~= "" then location = location .. "?" .. asked end
  local status = tonumber(to.status)
  handle:respond({[":status"] = to.status, location = location, server = own_name, ["content-type"] = "text/html"},
    moved[status])
end
"""

LUA = f"""
local own_name = {json.dumps(SERVER)}
local moved = {{[301] = {json.dumps(body(301))}, [302] = {json.dumps(body(302))}}}
{_SCRIPT}"""
"""Runs for each request: the trace id, and redirects, whose parts may stand anywhere in `#{…}`."""
