// How the popup and the control page show a device, a web service and what one may do with the other.
import type { Grant } from '../protocol/agent';
import * as names from '../protocol/names';
import { type Child, h, nameNode } from './dom';
import { icon, typeIcon } from './icons';
import { originView } from './origin-view';
import { language, text, typeKey } from './text';
import { holdMark, makeName, otherKeyMark, siteMark, standingMark } from './trust-view';
import { howLongAgo, sinceWhen } from './when';

// On the button that begins it.
export function addWords(): Node[] {
  const help = h('span', { class: 'under' }, text('homeAddHelp'));
  return [icon('plus'), h('span', {}, text('homeAdd'), help)];
}

export function deviceTitle(grant: Grant): string {
  return grant.deviceName || text('unnamed');
}

export function deviceHead(grant: Grant): Child[] {
  const kind = grant.standing === names.kProven ? '' : makeName(grant);
  return [
    typeIcon(grant.type),
    h(
      'span',
      { class: 'title' },
      h('h2', {}, nameNode(deviceTitle(grant))),
      h('span', { class: 'under' }, h('bdi', {}, kind || text(typeKey('type', grant.type)))),
      standingMark(grant),
    ),
  ];
}

export function siteHead(grant: Grant): Child[] {
  const { name } = grant.site;
  return [
    icon(grant.origin === null ? 'home' : 'globe'),
    h(
      'span',
      { class: 'title' },
      name === null ? null : h('h2', {}, nameNode(name)),
      h(name === null ? 'h2' : 'div', {}, whoView(grant)),
      grant.origin === null ? null : siteMark(grant.site),
    ),
  ];
}

export function whoView(grant: Grant): HTMLElement {
  return grant.origin === null ? h('span', {}, text('homeOwn')) : originView(grant.origin);
}

// Who may use it, as words for a label.
export function whoText(grant: Grant): string {
  return grant.origin ?? text('homeOwn');
}

export function timesText(grant: Grant): string {
  const now = Math.floor(Date.now() / 1000);
  const used =
    grant.lastUsed === 0
      ? text('homeNeverUsed')
      : text('homeUsed', howLongAgo(grant.lastUsed, now, language()));
  return `${text('homeSince', sinceWhen(grant.created, language()))} · ${used}`;
}

export function stateTags(grant: Grant): HTMLElement[] {
  if (grant.state === 'suspended') return [holdMark(grant)];
  if (grant.state === 'pending') return [h('span', { class: 'tag' }, text('homePending'))];
  if (grant.state === 'active' && grant.otherKey) return [otherKeyMark()];
  return [];
}

// One switch for a site's every port and device: the request rules know no finer.
export function nearbyView(
  origin: string,
  nearby: readonly string[],
  set: (site: string, allowed: boolean) => void,
): HTMLElement {
  const site = new URL(origin).hostname;
  const id = `nearby-${origin}`;
  const box = h('input', { id, type: 'checkbox', role: 'switch', 'data-testid': 'nearby' });
  box.checked = nearby.includes(site);
  box.setAttribute('aria-describedby', `${id}-help`);
  box.addEventListener('change', () => {
    set(site, box.checked);
  });
  return h(
    'div',
    { class: 'nearby' },
    h('label', { for: id }, box, h('span', {}, text('homeNearby'))),
    h('p', { id: `${id}-help`, class: 'under' }, text('homeNearbyHelp')),
  );
}

// Where the person opens a device of their own.
export function addressView(grant: Grant): HTMLElement | null {
  if (grant.origin !== null) return null;
  const address = grant.url.replace('https://', '');
  return h('span', { class: 'under host', dir: 'ltr', 'data-testid': 'address' }, address);
}
