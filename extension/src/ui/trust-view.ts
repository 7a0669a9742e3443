// The kinds of trust, each with a drawing and words of its own, the same in every window: a proven
// maker, a device nobody vouches for, a web service that is registered or is not, one that was
// suspended or revoked. Colour only goes along.
import type { Grant, Make } from '../protocol/agent';
import * as names from '../protocol/names';
import { type Site, type Standing, kNoSite } from '../protocol/trust';
import { h, nameNode, note } from './dom';
import { type IconName, icon } from './icons';
import { rich, text } from './text';

// A small mark beside a name: drawing and words in a line.
export function mark(kind: string, name: IconName, ...words: readonly (Node | string)[]): HTMLElement {
  return h('span', { class: `mark-line ${kind}` }, icon(name), h('span', {}, ...words));
}

export function makeName(make: Omit<Make, 'standing'>): string {
  const { maker, model } = make;
  // Many makers write their own name into the model's.
  if (maker !== null && model?.startsWith(maker) === true) return model;
  return [maker, model].filter((part) => part !== null).join(' ');
}

// What was found out about a device, as a sentence. Null where there is nobody to say anything.
export function standingNote(make: Make): HTMLElement | null {
  switch (make.standing) {
    case names.kNone:
      return null;
    case names.kProven:
      return marked(note('good', 'proven', rich('madeBy', nameNode(makeName(make)))), make.standing);
    case names.kUnattested:
    case names.kUnproven:
      return marked(note('warn boxed', 'unknown', text('unprovenKeep')), make.standing);
    case names.kRevoked:
      return marked(note('bad boxed', 'stop', text('deviceRevoked')), make.standing);
  }
}

// The same beside a name in a list.
export function standingMark(make: Make): HTMLElement | null {
  switch (make.standing) {
    case names.kNone:
      return null;
    case names.kProven:
      return marked(mark('good', 'proven', nameNode(makeName(make)), ` · ${text('proven')}`), make.standing);
    case names.kUnattested:
    case names.kUnproven:
      return marked(mark('quiet', 'unknown', text('unprovenShort')), make.standing);
    case names.kRevoked:
      return marked(mark('bad', 'stop', text('deviceRevoked')), make.standing);
  }
}

export function siteMark(site: Site = kNoSite): HTMLElement | null {
  switch (site.state) {
    case names.kNone:
      return null;
    case names.kUnregistered:
      return marked(mark('quiet', 'unknown', text('siteUnregisteredShort')), site.state);
    case names.kKnown:
      return marked(mark('good', 'proven', knownWords(site)), site.state);
    case names.kSuspended:
      return marked(mark('warn', 'pause', text('siteSuspendedShort')), site.state);
    case names.kRevoked:
      return marked(mark('bad', 'stop', text('siteRevokedShort')), site.state);
  }
}

function knownWords(site: Site): Node | string {
  return site.provider === null ? text('siteKnown') : rich('siteKnownBy', nameNode(site.provider));
}

// Why a grant is held back.
export function holdMark(grant: Grant): HTMLElement {
  const { hold, site } = grant;
  const who = nameNode(site.provider ?? text('itsProvider'));
  const made = (() => {
    switch (hold) {
      case names.kOriginSuspended:
        return mark('warn', 'pause', rich('holdOriginSuspended', who));
      case names.kOriginRevoked:
        return mark('bad', 'stop', rich('holdOriginRevoked', who));
      case names.kDeviceRevoked:
        return mark('bad', 'stop', text('holdDeviceRevoked'));
      case names.kDeviceReset:
        return mark('warn', 'alert', text('holdDeviceReset'));
      case names.kPaused:
        return mark('warn', 'pause', text('holdPaused'));
      case null:
        return mark('warn', 'pause', text('homePaused'));
    }
  })();
  made.dataset['hold'] = hold ?? 'other';
  made.dataset['testid'] = 'hold';
  return made;
}

// What answers where the device was is not the device that was added.
export function otherKeyMark(): HTMLElement {
  const made = mark('warn', 'alert', text('otherKey'));
  made.dataset['testid'] = 'other-key';
  return made;
}

function marked(element: HTMLElement, trust: Standing | Site['state']): HTMLElement {
  element.dataset['trust'] = trust;
  return element;
}
