// Elements in one expression. Attributes as text, children as nodes or text; never markup.
import { type IconName, icon } from './icons';

export type Child = Node | string | null;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no #${id}`);
  return found;
}

// Text that came from a device or its owner: kept apart from the writing direction around it.
export function nameNode(name: string): HTMLElement {
  return h('bdi', { class: 'name' }, name);
}

export function note(
  kind: string,
  name: IconName,
  ...words: readonly (Node | string)[]
): HTMLElement {
  return h('p', { class: `note ${kind}` }, icon(name), h('span', {}, ...words));
}
