// Words come from _locales alone. In HTML, the attribute data-text names what fills an element and
// data-label what names it to a screen reader.

export function text(key: string, ...values: string[]): string {
  return chrome.i18n.getMessage(key, values);
}

// A message whose placeholders are filled with nodes, so that names can stand out and can never
// become markup. Up to nine.
export function rich(key: string, ...nodes: readonly Node[]): DocumentFragment {
  const marks = nodes.map((_, index) => String.fromCharCode(0xe000 + index));
  const fragment = document.createDocumentFragment();
  for (const part of chrome.i18n.getMessage(key, marks).split(/([\ue000-\ue009])/u)) {
    const index = part.length === 1 ? part.charCodeAt(0) - 0xe000 : -1;
    const node = index >= 0 ? nodes[index] : undefined;
    if (node !== undefined) fragment.append(node);
    else if (part !== '') fragment.append(part);
  }
  return fragment;
}

// The language of the words, in the person's own variety of it where the browser says which.
export function language(): string {
  const words = text('language');
  const browser = chrome.i18n.getUILanguage();
  return browser.split('-')[0] === words ? browser : words;
}

// A type with words of its own ("media-cache"), or the general ones.
const kTypes = ['media-cache', 'nas', 'printer', 'camera', 'gateway'];

export function typeKey(prefix: string, type: string): string {
  return `${prefix}_${kTypes.includes(type) ? type.replace('-', '_') : 'other'}`;
}

export function fillTexts(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>('[data-text]')) {
    element.textContent = text(element.dataset['text'] ?? '');
  }
  for (const element of root.querySelectorAll<HTMLElement>('[data-label]')) {
    element.setAttribute('aria-label', text(element.dataset['label'] ?? ''));
  }
  document.documentElement.lang = language();
  document.documentElement.dir = text('@@bidi_dir');
}
