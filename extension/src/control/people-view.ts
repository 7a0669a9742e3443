// The fold on a device's card: who else uses it, and what they did. They are numbers: the device tells no more.
import type { People, PeopleEvent, Person } from '../protocol/people';
import { h } from '../ui/dom';
import { language, text } from '../ui/text';
import { sinceWhen } from '../ui/when';

// Of what happened, the latest.
const kShown = 8;

export function peopleView(people: People | undefined, id: string): HTMLElement {
  const fold = h('div', { class: 'fold', id, 'data-testid': 'people-fold' });
  if (people === undefined) {
    fold.append(h('p', { class: 'under' }, text('controlLoading')));
    return fold;
  }
  const others = people.people.filter((one) => !one.you);
  if (others.length === 0) {
    fold.append(h('p', { 'data-testid': 'people-none' }, text('peopleNobody')));
    return fold;
  }
  fold.append(h('ul', { class: 'people' }, ...others.map(personLine)));
  const events = people.events.filter((one) => !one.you && one.person !== null).slice(0, kShown);
  if (events.length > 0) {
    fold.append(h('ul', { class: 'people' }, ...events.map(eventLine)));
  }
  fold.append(h('p', { class: 'under' }, text('peopleWhat')));
  return fold;
}

function personLine(one: Person): HTMLElement {
  const services = one.services ?? 0;
  const count =
    services === 1 ? text('peopleService') : text('peopleServices', String(services));
  return h(
    'li',
    { 'data-testid': 'person' },
    h('b', {}, text('peoplePerson', String(one.person))),
    h(
      'span',
      { class: 'under' },
      text(
        'peopleTimes',
        sinceWhen(one.since, language()),
        sinceWhen(one.lastSeen, language()),
        count,
      ),
    ),
  );
}

function eventLine(event: PeopleEvent): HTMLElement {
  const who = text('peoplePerson', String(event.person ?? 0));
  const style = { dateStyle: 'medium', timeStyle: 'short' } as const;
  const time = new Intl.DateTimeFormat(language(), style).format(new Date(event.time * 1000));
  // A device that is newer than this page may know of more.
  const did = text(`peopleDid_${event.kind}`) || text('peopleDid_other');
  return h(
    'li',
    { 'data-testid': 'people-event' },
    h('span', {}, `${who}: ${did}`),
    h('span', { class: 'under' }, time),
  );
}
