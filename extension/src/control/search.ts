// The search field: which groups and entries are left. Pure.
import type { Grant } from '../protocol/agent';
import type { Group } from '../ui/groups';

// Letters that look or sound alike enough for a person who is looking for something.
export function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase()
    .trim();
}

// Every word must be somewhere in it. `more`: words that are shown but are not the grant's own, such
// as the type in the person's language.
function has(grant: Grant, words: readonly string[], more: string): boolean {
  const { deviceName, maker, model, type, origin, host, site } = grant;
  const everything = plain(
    [deviceName, maker, model, type, origin, host, site.name, more].join('\n'),
  );
  return words.every((word) => everything.includes(word));
}

export function search(
  groups: readonly Group[],
  query: string,
  wordsOf: (grant: Grant) => string,
): readonly Group[] {
  const words = plain(query)
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return groups;
  return groups.flatMap((group) => {
    const grants = group.grants.filter((grant) => has(grant, words, wordsOf(grant)));
    return grants.length === 0 ? [] : [{ ...group, grants }];
  });
}

export function countOf(groups: readonly Group[]): number {
  return groups.reduce((sum, group) => sum + group.grants.length, 0);
}

// The first groups with about `most` entries together, and at least one group: a page of a long list.
export function slice(groups: readonly Group[], most: number): readonly Group[] {
  let count = 0;
  const end = groups.findIndex((group) => {
    count += group.grants.length;
    return count >= most;
  });
  return end < 0 ? groups : cutLast(groups.slice(0, end + 1), most);
}

// One device may have thousands of entries of its own.
function cutLast(groups: readonly Group[], most: number): readonly Group[] {
  const over = countOf(groups) - most;
  const last = groups.at(-1);
  if (last === undefined || over <= 0) return groups;
  return [
    ...groups.slice(0, -1),
    { ...last, grants: last.grants.slice(0, last.grants.length - over) },
  ];
}
