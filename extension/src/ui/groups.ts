// Two ways to see the same grants: by device and by web service. Pure.
import type { Grant } from '../protocol/agent';

export interface Group {
  readonly key: string;
  readonly title: Grant; // any grant of the group: its device, or its origin, names the group
  readonly grants: readonly Grant[];
}

function group(grants: readonly Grant[], keyOf: (grant: Grant) => string): Group[] {
  const groups = new Map<string, Grant[]>();
  for (const grant of [...grants].sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))) {
    const members = groups.get(keyOf(grant)) ?? [];
    members.push(grant);
    groups.set(keyOf(grant), members);
  }
  return [...groups].flatMap(([key, members]) => {
    // The newest knows the device's present name.
    const title = members.at(-1);
    return title === undefined ? [] : [{ key, title, grants: members }];
  });
}

export function byDevice(grants: readonly Grant[]): Group[] {
  return group(grants, (grant) => grant.deviceId).sort((a, b) =>
    a.title.deviceName.localeCompare(b.title.deviceName),
  );
}

// Grants without a web origin (the device's own page) are the person's own: the key is ''.
export function bySite(grants: readonly Grant[]): Group[] {
  return group(grants, (grant) => grant.origin ?? '').sort((a, b) => a.key.localeCompare(b.key));
}
