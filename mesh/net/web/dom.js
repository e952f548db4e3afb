// What both pages share: making elements, keeping them up to date, asking the node, writing numbers.

// An element; children are elements or text, so that no name from the network is ever read as HTML.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Make `shown` look like `wanted` and touch only what differs: selections and transitions survive.
export function morph(shown, wanted) {
  if (shown.nodeName !== wanted.nodeName || shown.nodeType === Node.TEXT_NODE) {
    if (!shown.isEqualNode(wanted)) shown.replaceWith(wanted);
    return;
  }
  for (const { name } of [...shown.attributes]) {
    if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const [old, young] = [[...shown.childNodes], [...wanted.childNodes]];
  young.forEach((child, i) => (old[i] ? morph(old[i], child) : shown.append(child)));
  old.slice(young.length).forEach((child) => child.remove());
}

// What the API answers.
export async function ask(path) {
  const reply = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(3000) });
  if (!reply.ok) throw new Error(`${path} answered ${reply.status}`);
  return reply.json();
}

export function bitrate(bps) {
  if (bps >= 1e9) return `${(bps / 1e9).toFixed(2)} Gb/s`;
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(1)} Mb/s`;
  return `${Math.round(bps / 1e3)} kb/s`;
}

export const watchPath = (stream) => `/watch/${stream.split("/").map(encodeURIComponent).join("/")}`;
