// Shows /openapi.json: every operation with its parameters, bodies and answers, and a form that sends it.
// All text goes in as text, never as markup. Addresses are relative to the page's own, for proxies that add a prefix.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let spec = {};
let key = "";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function resolve(object) {
  if (!object || !object.$ref) return object || {};
  return object.$ref.slice(2).split("/").reduce((found, name) => found[name.replace(/~1/g, "/").replace(/~0/g, "~")], spec);
}

// A schema with its references put in, as deep as a reader wants to see.
function whole(schema, depth = 8) {
  if (Array.isArray(schema)) return schema.map((part) => whole(part, depth));
  if (schema === null || typeof schema !== "object") return schema;
  if (schema.$ref) return depth > 0 ? whole(resolve(schema), depth - 1) : schema.$ref;
  return Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, whole(part, depth)]));
}

// Text with `names` in it.
function said(text) {
  return make("span", {}, ...text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part)));
}

const pretty = (value) => JSON.stringify(value, null, 2);

function credentials() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function schemas(content) {
  return Object.entries(content || {}).map(([type, media]) =>
    media.schema
      ? make("details", {}, make("summary", {}, make("code", {}, type)), make("pre", {}, pretty(whole(media.schema))))
      : make("p", {}, make("code", {}, type))
  );
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, reference]) => {
    const response = resolve(reference);
    const headers = Object.keys(response.headers || {}).join(", ");
    return make("tr", {},
      make("th", {}, status),
      make("td", {}, said(response.description), make("div", {}, make("small", {}, headers)), ...schemas(response.content)));
  });
  return make("table", {}, ...rows);
}

function form(path, method, operation, parameters) {
  const inputs = parameters.map((parameter) => ({ parameter, input: make("input", { "aria-label": parameter.name }) }));
  const fields = make("div", { class: "fields" });
  for (const { parameter, input } of inputs) {
    const required = parameter.required ? " (required)" : "";
    fields.append(make("label", { title: parameter.description || "" }, `${parameter.name}${required}`), input);
  }
  const media = operation.requestBody ? operation.requestBody.content["application/json"] : null;
  const body = media ? make("textarea", { rows: "8", "aria-label": "body", spellcheck: "false" }) : null;
  const examples = media ? Object.values(media.examples || {}) : [];
  const choose = examples.length > 1 ? make("select", { "aria-label": "example" }) : null;
  if (body) body.value = examples.length ? pretty(examples[0].value) : "{}";
  if (choose) {
    choose.append(...examples.map((example, index) => make("option", { value: String(index) }, example.summary)));
    choose.addEventListener("change", () => { body.value = pretty(examples[Number(choose.value)].value); });
  }
  const result = make("pre", { hidden: "" });
  const send = async (event) => {
    event.preventDefault();
    result.hidden = false;
    result.textContent = "…";
    try {
      result.textContent = await ask(path, method, inputs, body);
    } catch (error) {
      result.textContent = String(error);
    }
  };
  return make("form", { onsubmit: send }, make("h3", {}, "Try it"), fields, choose, body, make("button", {}, "Send"), result);
}

async function ask(path, method, inputs, body) {
  const headers = credentials();
  let target = path.slice(1);
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) headers[parameter.name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(target, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
  const head = [`${response.status} ${response.statusText}`, ...[...response.headers].map(([name, value]) => `${name}: ${value}`)];
  const type = response.headers.get("content-type") || "";
  const text = type.includes("octet-stream") ? `(${(await response.arrayBuffer()).byteLength} bytes)` : await response.text();
  try {
    return [...head, "", pretty(JSON.parse(text))].join("\n");
  } catch {
    return [...head, "", text].join("\n");
  }
}

function show(path, method, item) {
  const operation = item[method];
  const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map(resolve);
  const head = make("summary", {},
    make("span", { class: "method" }, method), make("code", {}, path), make("span", { class: "said" }, operation.summary));
  const details = make("details", { class: method, id: operation.operationId }, head);
  // Filled when it is first opened: a document of many models has many large schemas.
  const fill = () => {
    const described = parameters.map((parameter) =>
      make("tr", {}, make("th", {}, parameter.name), make("td", {}, `${parameter.in}. `, said(parameter.description || ""))));
    details.append(
      ...(operation.description ? [make("p", {}, said(operation.description))] : []),
      ...(described.length ? [make("h3", {}, "Parameters"), make("table", {}, ...described)] : []),
      ...(operation.requestBody ? [make("h3", {}, "Body"), ...schemas(operation.requestBody.content)] : []),
      make("h3", {}, "Answers"), answers(operation.responses),
      form(path, method, operation, parameters));
  };
  details.addEventListener("toggle", fill, { once: true });
  return details;
}

function render() {
  document.title = spec.info.title;
  document.getElementById("title").textContent = `${spec.info.title} ${spec.info.version}`;
  document.getElementById("description").replaceChildren(said(spec.info.description || ""));
  document.getElementById("credentials").hidden = !(spec.components || {}).securitySchemes;
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = (item[method].tags || ["Other"])[0];
      if (!groups.has(tag)) groups.set(tag, make("section", {}, make("h2", {}, tag)));
      groups.get(tag).append(show(path, method, item));
    }
  }
  document.getElementById("operations").replaceChildren(...groups.values());
  // A link to an operation, such as docs#predict.
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked instanceof HTMLDetailsElement) linked.open = true;
}

async function load() {
  const problem = document.getElementById("problem");
  const response = await fetch("openapi.json", { headers: credentials() });
  problem.hidden = response.ok;
  if (!response.ok) {
    problem.textContent = `The document was not given: ${response.status} ${response.statusText}`;
    return;
  }
  spec = await response.json();
  render();
}

document.getElementById("credentials").addEventListener("submit", (event) => {
  event.preventDefault();
  key = document.getElementById("key").value.trim();
  load();
});
load();
