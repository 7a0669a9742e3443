// Who uses a device besides this person, and what happened there: as the device says it, which may be
// anybody's (docs/protocol.md sections 7 and 10).
import * as names from './names';
import { readBool, readFields, readInt, readList, readMatch, readTime } from './read';
import { readCleanOrNull } from './words';

const kMaxPeople = 200;
const kMaxEvents = 500;
const kMaxNumber = 1_000_000_000;
const kKindShape = /^[a-z_]{1,32}$/;
const kMaxDetail = 300;

export interface Person {
  readonly person: number;
  readonly you: boolean;
  readonly since: number;
  readonly lastSeen: number;
  readonly services: number | null; // null: not all of them are this browser's to know
}

// Of others there is no detail.
export interface PeopleEvent {
  readonly time: number;
  readonly kind: string;
  readonly person: number | null;
  readonly you: boolean;
  readonly detail: string | null;
}

export interface People {
  readonly people: readonly Person[];
  readonly events: readonly PeopleEvent[];
}

const readNumberOrNull = (value: unknown, field: string): number | null =>
  value === null ? null : readInt(value, field, 0, kMaxNumber);

export function readPeople(value: unknown): People {
  const result = readFields(value, names.kResult);
  return {
    people: readList(result[names.kPeople], names.kPeople, kMaxPeople, (one) => {
      const person = readFields(one, names.kPerson);
      return {
        person: readInt(person[names.kPerson], names.kPerson, 0, kMaxNumber),
        you: readBool(person[names.kYou], names.kYou),
        since: readTime(person[names.kSince], names.kSince),
        lastSeen: readTime(person[names.kLastSeen], names.kLastSeen),
        services: readNumberOrNull(person[names.kServices], names.kServices),
      };
    }),
    events: readList(result[names.kEvents], names.kEvents, kMaxEvents, (one) => {
      const event = readFields(one, names.kEvents);
      return {
        time: readTime(event[names.kTime], names.kTime),
        kind: readMatch(event[names.kKind], names.kKind, kKindShape, 32),
        person: readNumberOrNull(event[names.kPerson], names.kPerson),
        you: readBool(event[names.kYou], names.kYou),
        detail: readCleanOrNull(event[names.kDetail], names.kDetail, kMaxDetail),
      };
    }),
  };
}
