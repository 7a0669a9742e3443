// The page around the lists: what it is for while there is nothing to list, and the providers.
import * as names from '../protocol/names';
import type { Provider } from '../protocol/trust';
import { h, nameNode } from '../ui/dom';
import { icon } from '../ui/icons';
import { language, text } from '../ui/text';
import { mark } from '../ui/trust-view';
import { howLongAgo } from '../ui/when';

export function emptyView(): HTMLElement {
  const { homepage_url: more } = chrome.runtime.getManifest();
  return h(
    'div',
    { class: 'empty', id: 'empty' },
    h('span', { class: 'empty-art', 'aria-hidden': 'true' }, icon('home')),
    h('h2', {}, text('homeEmptyTitle')),
    h('p', { class: 'quiet' }, text('homeEmptyText')),
    h('h3', {}, text('controlEmptyHow')),
    h(
      'ol',
      { class: 'steps' },
      ...['controlEmptyStep1', 'controlEmptyStep2', 'controlEmptyStep3'].map((key) =>
        h('li', {}, h('span', {}, text(key))),
      ),
    ),
    more === undefined
      ? null
      : h('a', { href: more, target: '_blank', rel: 'noreferrer' }, text('controlEmptyMore')),
  );
}

export function providerLine(provider: Provider): HTMLElement {
  const now = Math.floor(Date.now() / 1000);
  const asked =
    provider.checked === null
      ? ''
      : ` · ${text('controlProviderAsked', howLongAgo(provider.checked, now, language()))}`;
  return h(
    'li',
    { class: 'entry', 'data-testid': 'provider', 'data-state': provider.state },
    h('div', { class: 'what' }, h('h3', {}, nameNode(provider.name)), stateMark(provider, asked)),
  );
}

function stateMark(provider: Provider, asked: string): HTMLElement {
  switch (provider.state) {
    case names.kFresh:
      return mark('good', 'proven', text('controlProviderFresh') + asked);
    case names.kLate:
      return mark('quiet', 'clock', text('controlProviderLate') + asked);
    case names.kStale:
      return mark('warn', 'alert', text('controlProviderStale') + asked);
    case names.kNever:
      return mark('warn', 'alert', text('controlProviderNever'));
  }
}
