"""Fixtures of the suite that only give something: tools, resources and prompts, as the suite describes them."""

import json

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"  # one red pixel
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="  # one silent sample
NO_ARGUMENTS = {"type": "object", "properties": {}}


def text(words):
    return {"type": "text", "text": words}


def image():
    return {"type": "image", "data": PNG, "mimeType": "image/png"}


def embedded(uri, words, mime="text/plain"):
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": words}}


def answer(*content, **more):
    return {"resultType": "complete", "content": list(content), **more}


CONTENTS = {
    "test_simple_text": answer(text("This is a simple text response for testing.")),
    "test_image_content": answer(image()),
    "test_audio_content": answer({"type": "audio", "data": WAV, "mimeType": "audio/wav"}),
    "test_embedded_resource": answer(embedded("test://embedded-resource", "This is an embedded resource content.")),
    "test_multiple_content_types": answer(
        text("Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ),
    "test_error_handling": answer(text("This tool intentionally returns an error for testing"), isError=True),
    "json_schema_2020_12_tool": answer(text("The schema is what counts.")),
    "test_custom_headers": answer(text("The headers are what counts.")),
}

SCHEMAS = {
    "test_sampling": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    "test_elicitation": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
    "test_custom_headers": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
    "greet": {"type": "object", "properties": {"name": {"type": "string"}}},
    "slow_compute": {"type": "object", "properties": {"seconds": {"type": "number"}, "label": {"type": "string"}}},
    "confirm_delete": {"type": "object", "properties": {"filename": {"type": "string"}}},
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
}

RESOURCES = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched resource content"},
}
TEMPLATE = "test://template/{id}/data"
PROMPTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


def resource(uri):
    """What lies at an address of the suite's; None when it is not one of them."""
    found = RESOURCES.get(uri)
    if found is None and uri.startswith("test://template/") and uri.endswith("/data"):
        number = uri.split("/")[3]
        told = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
        found = {"mimeType": "application/json", "text": json.dumps(told)}
    contents = [{"uri": uri, **(found or {})}]
    return found and {"resultType": "complete", "contents": contents, "ttlMs": 0, "cacheScope": "private"}


def messages(*content):
    return {"resultType": "complete", "messages": [{"role": "user", "content": one} for one in content]}


def prompt(name, given):
    """The messages of a prompt of the suite's."""
    contents = {
        "test_simple_prompt": [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [
            text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")
        ],
        "test_prompt_with_embedded_resource": [
            embedded(given.get("resourceUri"), "Embedded resource content for testing."),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": [image(), text("Please analyze the image above.")],
    }
    return messages(*contents[name])
