// Tries the operations of the page: sends what a form says, and shows what comes back.

const root = new URL(document.documentElement.dataset.root, location.href);

/** The field for the token, where the server asks for one. The token with which the page was opened is taken over. */
const tokenField = document.getElementById("token");
if (tokenField) {
  const here = new URL(location.href);
  tokenField.value = here.searchParams.get("oauth_token") ?? "";
  // It should not stay in the address, where it would be seen, copied and kept.
  here.searchParams.delete("oauth_token");
  history.replaceState(null, "", here);
}

function credentials() {
  return tokenField?.value ? { authorization: `Bearer ${tokenField.value}` } : {};
}

/** Single quotes, as a POSIX shell reads them. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What the form asks: method, URL and, for a method that has one, the body. */
function requestOf(form) {
  const path = form.dataset.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(form.elements[name].value));
  return {
    method: form.dataset.method,
    url: new URL(path.slice(1), root).href,
    body: form.elements.body?.value,
  };
}

function curlOf({ url, body }) {
  const token = tokenField ? ' -H "Authorization: Bearer $TOKEN"' : "";
  if (body === undefined) return `curl ${quoted(url)}${token}`;
  return `curl ${quoted(url)}${token} -H 'Content-Type: application/json' -d ${quoted(compact(body))}`;
}

/** The JSON text without its white space; what is not JSON stays as it is. */
function compact(text) {
  try {
    // Parsed only to check: printing it again would change long integers.
    JSON.parse(text);
    return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
  } catch {
    return text;
  }
}

/** JSON text with line breaks and indents, its values untouched; what is not JSON stays as it is. */
function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  let printed = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []) {
    if (token === "{" || token === "[") {
      depth += 1;
      printed += token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      printed += line() + token;
    } else if (token === ",") printed += token + line();
    else if (token === ":") printed += ": ";
    else printed += token;
  }
  // A list of plain values, or nothing at all, reads better on one line.
  return printed.replace(/\[[^[\]{}"]*\]|\{\s*\}/g, (list) => list.replace(/\s+/g, " ").replace(/^(.) /, "$1").replace(/ (.)$/, "$1"));
}

function complaint(body) {
  if (body === undefined) return "";
  try {
    JSON.parse(body);
    return "";
  } catch (error) {
    return `This is not JSON yet: ${error.message}`;
  }
}

/** Brings what depends on the form's fields up to date. */
function refresh(form) {
  form.querySelector(".curl code").textContent = curlOf(requestOf(form));
  const wrong = form.querySelector(".wrong");
  if (wrong) {
    wrong.textContent = complaint(form.elements.body.value);
    wrong.hidden = !wrong.textContent;
  }
}

async function send(form) {
  const { method, url, body } = requestOf(form);
  const reply = form.querySelector(".reply");
  const button = form.querySelector("button[type=submit]");
  const show = (selector, text) => { reply.querySelector(selector).textContent = text; };
  button.setAttribute("aria-busy", "true");
  const started = performance.now();
  try {
    const headers = body === undefined ? credentials() : { ...credentials(), "content-type": "application/json" };
    const response = await fetch(url, { method, headers, body });
    const text = await response.text();
    show(".code", `${response.status} ${response.statusText}`.trim());
    show(".time", `${(performance.now() - started).toFixed(1)} ms`);
    show(".size", `${new Blob([text]).size.toLocaleString()} bytes`);
    show(".headers", [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n"));
    show(".content", indented(text) || "(an empty body)");
    reply.classList.toggle("failed", !response.ok);
  } catch (error) {
    show(".code", "No reply");
    show(".time", "");
    show(".size", "");
    show(".headers", "");
    show(".content", error.message);
    reply.classList.add("failed");
  } finally {
    button.removeAttribute("aria-busy");
    reply.hidden = false;
  }
}

/** Selects the text and copies it. The newer clipboard interface works by HTTPS only, and servers like this one often stand behind none. */
function copied(element) {
  getSelection().selectAllChildren(element);
  return document.execCommand("copy");
}

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  form.addEventListener("input", (event) => {
    if (event.target.matches(".example")) form.elements.body.value = event.target.value;
    refresh(form);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.querySelector(".copy").addEventListener("click", (event) => {
    event.target.textContent = copied(form.querySelector(".curl code")) ? "Copied" : "Selected";
    setTimeout(() => { event.target.textContent = "Copy"; }, 1500);
  });
  refresh(form);
}
