// Drawings: 24 x 24, one stroke, the text's own colour. All decorative; words carry the meaning.

const kPaths = {
  key: 'M4.500 11 12 4.500l7.500 6.500v7.500A1.500 1.500 0 0 1 18 20H6a1.500 1.500 0 0 1-1.500-1.500zM12 14.300a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM12 14.500v2.500',
  globe:
    'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3.5 9.5h17M3.5 14.5h17M12 3c-5 5.4-5 12.6 0 18M12 3c5 5.4 5 12.6 0 18',
  media_cache:
    'M4 7.5A1.5 1.5 0 0 1 5.5 6h13A1.5 1.5 0 0 1 20 7.500v8a1.500 1.500 0 0 1-1.500 1.500h-13A1.500 1.500 0 0 1 4 15.500zM8 20h8M10.500 9.200v4.600l4-2.300z',
  nas: 'M6 3.500h12A1.500 1.500 0 0 1 19.500 5v14a1.500 1.500 0 0 1-1.500 1.500H6A1.500 1.500 0 0 1 4.500 19V5A1.500 1.500 0 0 1 6 3.500zM4.500 9.200h15M4.500 14.800h15M8 6.400h.01M8 12h.01M8 17.600h.01M12 6.400h4M12 12h4M12 17.600h4',
  printer:
    'M7 8V3.500h10V8M7 17H5.500A1.500 1.500 0 0 1 4 15.500v-6A1.500 1.500 0 0 1 5.500 8h13A1.500 1.500 0 0 1 20 9.500v6a1.500 1.500 0 0 1-1.500 1.500H17M7 14h10v6.500H7zM16.500 11h.01',
  camera:
    'M4.500 8h3l1.500-2.500h6L16.500 8h3A1.500 1.500 0 0 1 21 9.500v8a1.500 1.500 0 0 1-1.500 1.500h-15A1.500 1.500 0 0 1 3 17.500v-8A1.500 1.500 0 0 1 4.500 8zM12 16.300a3.300 3.300 0 1 0 0-6.600 3.300 3.300 0 0 0 0 6.600z',
  gateway:
    'M5 14h14a1.500 1.500 0 0 1 1.500 1.500v3A1.500 1.500 0 0 1 19 20H5a1.500 1.500 0 0 1-1.500-1.500v-3A1.500 1.500 0 0 1 5 14zM12 14v-3M8.600 8.600a4.800 4.800 0 0 1 6.800 0M6 6a8.500 8.500 0 0 1 12 0M7 17h.01M10 17h.01',
  other:
    'M5.500 4h13A1.500 1.500 0 0 1 20 5.500v13a1.500 1.500 0 0 1-1.500 1.500h-13A1.500 1.500 0 0 1 4 18.500v-13A1.500 1.500 0 0 1 5.500 4zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  home: 'M4 11.500 12 4.500l8 7M6 10v9.500h12V10M10 19.500V14h4v5.500',
  person: 'M12 11.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500a7.500 7.500 0 0 1 15 0',
  plus: 'M12 5.500v13M5.500 12h13',
  yes: 'M5 12.500l4.500 4.500L19 7.500',
  no: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM6 6l12 12',
  info: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM12 11.200v5M12 8h.01',
  alert: 'M12 4 3 19.500h18zM12 10v4.500M12 17h.01',
  stop: 'M8.500 3.500h7l5 5v7l-5 5h-7l-5-5v-7zM9 9l6 6M15 9l-6 6',
  pause: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM9.800 8.800v6.400M14.200 8.800v6.400',
  // A shield with a tick: somebody vouches. A question mark without a shield: nobody does.
  proven: 'M12 3.500l7 2.500v5.500c0 4.200-2.900 7.500-7 9-4.100-1.500-7-4.800-7-9V6zM8.700 11.800l2.400 2.400 4.300-4.600',
  unknown:
    'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM9.600 9.600a2.400 2.400 0 1 1 3.600 2.100c-.800.500-1.200 1-1.200 1.900M12 16.300h.01',
  clock: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM12 7.200V12l3 2',
  wave: 'M12 18h.01M9 14.800a4.300 4.300 0 0 1 6 0M6.200 11.600a8.300 8.300 0 0 1 11.600 0M3.500 8.400a12.200 12.200 0 0 1 17 0',
  away: 'M4 4l16 16M9 14.800a4.300 4.300 0 0 1 4.600-.9M6.200 11.600a8.300 8.300 0 0 1 4-2.200M14 9.400a8.300 8.300 0 0 1 3.800 2.200M12 18h.01',
  bluetooth: 'M7.500 8l9 8-4.500 4.500v-17L16.500 8l-9 8',
  open: 'M13 5h6v6M19 5l-8.500 8.500M10 6H6.500A1.500 1.500 0 0 0 5 7.500v10A1.500 1.500 0 0 0 6.500 19h10a1.500 1.500 0 0 0 1.500-1.500V14',
} as const;

export type IconName = keyof typeof kPaths;

const kSvg = 'http://www.w3.org/2000/svg';

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(kSvg, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(kSvg, 'path');
  path.setAttribute('d', kPaths[name]);
  svg.append(path);
  return svg;
}

export function typeIcon(type: string): SVGElement {
  switch (type) {
    case 'media-cache':
      return icon('media_cache');
    case 'nas':
    case 'printer':
    case 'camera':
    case 'gateway':
      return icon(type);
    default:
      return icon('other');
  }
}
