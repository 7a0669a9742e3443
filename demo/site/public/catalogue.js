// What Kinora offers. The films themselves are not here: only a device in the viewer's home has them.
export const CATALOGUE = [
  {
    id: 'tidewater', title: 'Tidewater', facts: 'Study · 36 seconds · colour, sound',
    blurb: 'An evening on water that never existed. Light drifts, gathers and lets go again.',
  },
  {
    id: 'edge-of-the-set', title: 'Edge of the Set', facts: 'Journey · 36 seconds · colour, sound',
    blurb: 'One long fall towards a coast without end, past bays that look like the last one and never are.',
  },
  {
    id: 'small-machines', title: 'Small Machines', facts: 'Nature film · 36 seconds · colour, sound',
    blurb: 'Four rules, a few thousand cells, and everything that crawls, blinks and collides because of them.',
  },
  {
    id: 'rule-of-thirty', title: 'Rule of Thirty', facts: 'Abstract · 36 seconds · colour, sound',
    blurb: 'A single line decides what the next one looks like. Nobody has ever said where it goes.',
  },
];
export const LENGTH = '0:36';
