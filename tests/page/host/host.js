// A chat client in miniature: the official AppBridge on one side of a sandboxed frame, our server on the other.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

window.begin = async (page, mcp, toolResult) => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.style = "width: 100%; height: 1200px; border: 0";
  document.body.append(frame);
  const bridge = new AppBridge(null, { name: "test-host", version: "1" }, { serverTools: {} });
  window.sizes = [];
  bridge.onsizechange = (size) => window.sizes.push(size);
  bridge.oncalltool = (params) => mcp(params);
  bridge.oninitialized = () => bridge.sendToolResult(toolResult);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = page;
};
