"""Fixtures of the conformance suite that do something on the way: report, log, change, or ask the client."""

import json

import anyio
from mcp import MCPError
from mcp.server.subscriptions import PromptsListChanged, ToolsListChanged
from mcp.types import MISSING_REQUIRED_CLIENT_CAPABILITY, SamplingMessage, TextContent

from tests.conformance.contents import answer, text

STEP_SECONDS = 0.05


def asks(message, properties, required=None):
    """An elicitation as the newer protocol has it."""
    schema = {"type": "object", "properties": properties, "required": required or list(properties)}
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def samples(words, most):
    message = {"role": "user", "content": {"type": "text", "text": words}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": most}}


STRING = {"type": "string"}
NAME = asks("What is your name?", {"name": STRING})
ROOTS = {"method": "roots/list", "params": {}}
CONFIRM = asks("Please confirm", {"ok": {"type": "boolean"}})
#: Tool -> what it asks in its only round, whether it keeps a state, and what it says with the answers.
ONE_ROUND = {
    "test_input_required_result_elicitation": ({"user_name": NAME}, False, "Hello, {name}!"),
    "test_input_required_result_sampling": ({"capital_question": samples("What is the capital of France?", 100)}, False,
                                            "The client says: {answers}"),
    "test_input_required_result_list_roots": ({"client_roots": ROOTS}, False, "Roots: {answers}"),
    "test_input_required_result_request_state": ({"confirm": CONFIRM}, True, "state-ok"),
    "test_input_required_result_tampered_state": ({"confirm": CONFIRM}, True, "state-ok"),
    "test_input_required_result_multiple_inputs": (
        {"user_name": NAME, "greeting": samples("Generate a greeting", 50), "client_roots": ROOTS}, True, "{answers}"
    ),
}  # fmt: skip
NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


def required(requests, state=None):
    wanted = {"resultType": "input_required", "inputRequests": requests}
    return {**wanted, "requestState": state} if state is not None else wanted


def answers(params):
    """What the client sent along, as plain JSON."""
    given = params.input_responses or {}
    return {key: one.model_dump(by_alias=True, mode="json") if hasattr(one, "model_dump") else one
            for key, one in given.items()}  # fmt: skip


def one_round(name):
    requests, has_state, words = ONE_ROUND[name]

    async def asking(context, params):
        given = answers(params)
        if not set(requests) <= set(given) or (has_state and params.request_state != name):
            return required(requests, name if has_state else None)
        content = (given.get("user_name") or {}).get("content") or {}
        if "user_name" in requests and "name" not in content:
            return required(requests, name if has_state else None)
        return answer(text(words.format(name=content.get("name"), answers=json.dumps(given))))

    return asking


async def multi_round(context, params):
    given = answers(params)
    if params.request_state == "2" and "step2" in given:
        return answer(text(f"Done: {json.dumps(given)}"))
    if params.request_state == "1" and "step1" in given:
        return required({"step2": asks("Step 2: What is your favorite color?", {"color": STRING})}, "2")
    return required({"step1": asks("Step 1: What is your name?", {"name": STRING})}, "1")


async def by_capability(context, params):
    """Asks only what the client said that it can answer."""
    declared = context.session.client_capabilities.model_dump(exclude_none=True)
    wanted = {"name": NAME, "greeting": samples("Generate a greeting", 50)}
    wanted = {key: one for key, one in wanted.items() if NEEDS[one["method"]] in declared}
    return required(wanted) if wanted and not answers(params) else answer(text("nothing to ask"))


async def with_progress(context, params):
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100, f"{done} of 100")
        await anyio.sleep(STEP_SECONDS)
    return answer(text("progress was reported"))


async def with_logging(context, params):
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", line, related_request_id=context.request_id)
        await anyio.sleep(STEP_SECONDS)
    return answer(text("three lines were logged"))


async def sampling(context, params):
    message = SamplingMessage(role="user", content=TextContent(type="text", text=params.arguments["prompt"]))
    told = await context.session.create_message([message], max_tokens=100, related_request_id=context.request_id)
    return answer(text(f"LLM response: {told.content.text}"))


async def elicited(context, message, schema, words):
    told = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
    return answer(text(f"{words}: action={told.action}, content={json.dumps(told.content)}"))


async def elicitation(context, params):
    properties = {"username": {**STRING, "description": "User's response"},
                  "email": {**STRING, "description": "User's email address"}}  # fmt: skip
    schema = {"type": "object", "properties": properties, "required": ["username", "email"]}
    return await elicited(context, params.arguments["message"], schema, "User response")


async def elicitation_defaults(context, params):
    properties = {
        "name": {**STRING, "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {**STRING, "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await elicited(context, "Defaults", {"type": "object", "properties": properties}, "Elicitation completed")


def titled(word, count):
    return [{"const": f"value{number}", "title": f"{word} {number}"} for number in range(1, count + 1)]


async def elicitation_enums(context, params):
    plain, legacy = ["option1", "option2", "option3"], ["opt1", "opt2", "opt3"]
    properties = {
        "untitledSingle": {**STRING, "enum": plain},
        "titledSingle": {**STRING, "oneOf": titled("Option", 3)},
        "legacyEnum": {**STRING, "enum": legacy, "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {**STRING, "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice", 3)}},
    }
    return await elicited(context, "Enums", {"type": "object", "properties": properties}, "Elicitation completed")


async def missing_capability(context, params):
    if context.session.client_capabilities.sampling is None:
        data = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", data)
    return answer(text("the client can sample"))


async def logging_tool(context, params):
    await context.session.send_log_message("info", "a line", related_request_id=context.request_id)
    return answer(text("logged"))


def changing(bus, event):
    async def publish(context, params):
        await bus.publish(event)
        return answer(text("changed"))

    return publish


def tools(bus):
    """Every fixture here by name; `bus` is where changes of lists are published."""
    return {
        **{name: one_round(name) for name in ONE_ROUND},
        "test_input_required_result_multi_round": multi_round,
        "test_input_required_result_capabilities": by_capability,
        "test_tool_with_progress": with_progress,
        "test_tool_with_logging": with_logging,
        "test_sampling": sampling,
        "test_elicitation": elicitation,
        "test_elicitation_sep1034_defaults": elicitation_defaults,
        "test_elicitation_sep1330_enums": elicitation_enums,
        "test_missing_capability": missing_capability,
        "test_streaming_elicitation": one_round("test_input_required_result_elicitation"),
        "test_logging_tool": logging_tool,
        "test_trigger_tool_change": changing(bus, ToolsListChanged()),
        "test_trigger_prompt_change": changing(bus, PromptsListChanged()),
    }
