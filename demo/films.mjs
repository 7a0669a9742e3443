// The films of the demonstration, drawn by ffmpeg's own generators: no footage,
// no fonts, nothing to download. `picture` is a filter graph that ends in
// [picture] at 640x360, 24 frames a second; `sound` is an aevalsrc expression.

export const SECONDS = 36;
const SIZE = 'size=640x360:rate=24';

/** A soft chord that swells and falls: frequencies in Hz, one slow wave each. */
const pad = (...notes) =>
  notes.map((hz, index) => `0.07*sin(2*PI*${hz}*t)*(0.6+0.4*sin(2*PI*t/${7 + 2 * index}+${index}))`).join('+');

export const FILMS = [
  {
    id: 'tidewater',
    picture:
      `gradients=${SIZE}:c0=0x06142e:c1=0x0f4c5c:c2=0xe9a23b:c3=0xd1495b:nb_colors=4:x0=0:y0=360:x1=640:y1=0:speed=0.006:seed=11[sky];` +
      `life=size=160x90:rate=12:mold=24:life_color=white:death_color=0x203040:mold_color=black:ratio=0.18:seed=5,` +
      'lagfun=decay=0.85,fps=24,gblur=sigma=1.2,scale=640:360:flags=bicubic,format=gbrp[glints];' +
      '[sky]format=gbrp[base];[base][glints]blend=all_mode=screen:all_opacity=0.55,' +
      'lagfun=decay=0.93,vignette=PI/5[picture]',
    sound: pad(110, 164.81, 220, 329.63),
    poster: 21,
  },
  {
    id: 'edge-of-the-set',
    picture:
      `mandelbrot=size=480x270:rate=24:start_x=-0.743643887037151:start_y=-0.131825904205330:start_scale=2.6:end_scale=0.0012:end_pts=${SECONDS * 24}:maxiter=220:inner=black:outer=normalized_iteration_count,` +
      'hue=h=205+12*sin(t/5):s=1.25,scale=640:360:flags=bicubic,vignette=PI/5[picture]',
    sound: pad(98, 146.83, 196, 246.94),
    poster: 24,
  },
  {
    id: 'small-machines',
    picture:
      'life=size=213x120:rate=12:mold=40:life_color=0xfff3d6:death_color=0xc8553d:mold_color=0x1c0f2e:ratio=0.14:seed=21,' +
      'lagfun=decay=0.8,scale=640:360:flags=neighbor,fps=24,vignette=PI/5[picture]',
    sound: pad(130.81, 196, 261.63, 311.13),
    poster: 17,
  },
  {
    id: 'rule-of-thirty',
    picture:
      'cellauto=size=213x120:rate=24:rule=30:seed=8:ratio=0.5:scroll=1,lagfun=decay=0.86,' +
      'scale=640:360:flags=bicubic,format=gbrp,colorchannelmixer=rr=0.25:gg=0.85:bb=0.75,vignette=PI/4.5[picture]',
    sound: pad(123.47, 185, 246.94, 369.99),
    poster: 26,
  },
];
