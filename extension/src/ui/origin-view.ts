import { h } from './dom';
import { originParts } from './origin';

// The whole address, the registrable domain in bold; may break anywhere, is never cut.
export function originView(origin: string): HTMLElement {
  const parts = originParts(origin);
  const line = h('span', { class: 'origin', dir: 'ltr', translate: 'no', 'data-origin': origin });
  if (parts === null) {
    line.append(origin);
    return line;
  }
  line.append(
    h('span', { class: 'origin-quiet' }, ...breakable(parts.scheme + parts.subdomain)),
    h('b', {}, ...breakable(parts.registrable)),
    h('span', { class: 'origin-quiet' }, parts.port),
  );
  return line;
}

// Lines break before a dot where they can, inside a label only where they must.
function breakable(text: string): Node[] {
  return text
    .split(/(?=\.)/)
    .flatMap((part, index) => [...(index === 0 ? [] : [h('wbr')]), document.createTextNode(part)]);
}

// Without the scheme, for a sentence.
export function hostView(origin: string): HTMLElement {
  const view = originView(origin);
  const parts = originParts(origin);
  if (parts !== null) view.firstElementChild?.replaceChildren(...breakable(parts.subdomain));
  view.classList.add('inline');
  return view;
}

// The registrable domain alone, for headings that have the whole address beside them.
export function siteView(origin: string): HTMLElement {
  const site = originParts(origin)?.registrable ?? origin;
  return h('b', { class: 'site', dir: 'ltr', translate: 'no' }, ...breakable(site));
}
