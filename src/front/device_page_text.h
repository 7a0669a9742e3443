// What the device's own page says, its markup and its script. Internal to device_page.cc.
#pragma once

#include <array>

#include "front/page.h"

namespace latchkey::front::page_text {

// `{name}` in kHomeMarkup stands for the text of that name.
struct Entry {
  std::string_view name;
  Words words;
};
inline constexpr std::array kHomeWords = {
    Entry{"people", {"People with access", "この機器を使える人"}},
    Entry{"services", {"Your web services here", "あなたが許可したウェブサービス"}},
    Entry{"noServices",
          {"No web service may use this device for you.",
           "この機器の使用を許可したウェブサービスはありません。"}},
    Entry{"events", {"What happened", "これまでのできごと"}},
    Entry{"guests", {"Let somebody in", "ほかの人を追加する"}},
    Entry{"guestsHow",
          {"For somebody who is here with you: the device shows a code, and they type it in "
           "Latchkey on their own computer. They get an access of their own and see nothing of "
           "yours.",
           "その場にいる人のための操作です。表示されたコードを、その人が自分のパソコンの Latchkey "
           "に入力します。その人専用のアクセスができ、あなたの情報は見えません。"}},
    Entry{"showCode", {"Show a code", "コードを表示"}},
    Entry{"guestsAtDevice",
          {"To let somebody in, have the code shown at the device itself.",
           "ほかの人を追加するには、機器本体でコードを表示してください。"}},
    Entry{"windowOpen",
          {"Somebody can be let in just now; the code was shown to whoever opened it.",
           "現在、追加を受け付けています。コードは受け付けを始めた人に表示されました。"}},
    Entry{"closeWindow", {"Stop", "受け付けを終える"}},
    Entry{"leave", {"Give up your access", "アクセスをやめる"}},
    Entry{
        "leaveWhat",
        {"Your web services lose this device, and this page no longer opens for you, in any "
         "browser of your account on your computer. To come back you need a new code. Nothing of "
         "other people changes.",
         "ウェブサービスはこの機器を使えなくなり、あなたのパソコンのどのブラウザーでもこのページは"
         "開けなくなります。もう一度使うには新しいコードが必要です。ほかの人には影響しません。"}},
    Entry{"leaveNow", {"Give up my access", "アクセスをやめる"}},
    Entry{"others",
          {"Somebody else's access can be removed at the device itself.",
           "ほかの人のアクセスは、機器本体で取り消せます。"}},
    Entry{"failed",
          {"The device did not answer. Check that it is switched on, and load this page again.",
           "機器が応答しません。電源が入っているか確かめて、ページを再読み込みしてください。"}},
};

inline constexpr std::string_view kHomeMarkup = R"html(
<h1 id="name">&nbsp;</h1><p id="make" class="quiet">&nbsp;</p>
<p id="failed" role="alert" hidden>{failed}</p>
<section aria-labelledby="h-services"><h2 id="h-services">{services}</h2>
<p id="none" class="quiet" hidden>{noServices}</p><ul id="services"></ul></section>
<section aria-labelledby="h-people"><h2 id="h-people">{people}</h2><ul id="people"></ul>
<p class="quiet small-text" id="others" hidden>{others}</p></section>
<section aria-labelledby="h-guests" id="guests" hidden><h2 id="h-guests">{guests}</h2>
<div id="may"><p>{guestsHow}</p>
<form method="post" action="/.well-known/latchkey/window"><button>{showCode}</button></form></div>
<div id="open"><p>{windowOpen} <span id="until"></span></p>
<form method="post" action="/.well-known/latchkey/window/close" id="close">
<button class="plain">{closeWindow}</button></form></div>
<p id="wait"></p><p id="at-device">{guestsAtDevice}</p></section>
<section aria-labelledby="h-events"><h2 id="h-events">{events}</h2><ul id="events"></ul></section>
<section><details><summary>{leave}</summary><p>{leaveWhat}</p>
<form method="post" action="/.well-known/latchkey/leave"><button class="bad">{leaveNow}</button></form>
</details></section>
)html";

// Everything that the device says is written with textContent.
inline constexpr std::string_view kHomeScript = R"js((async () => {
  const ja = document.documentElement.lang === 'ja';
  const say = (en, japanese) => ja ? japanese : en;
  const at = (id) => document.getElementById(id);
  const when = (time) => time > 0
    ? new Intl.DateTimeFormat(ja ? 'ja' : undefined, {dateStyle: 'medium', timeStyle: 'short'})
        .format(new Date(time * 1000)) : say('not yet', 'まだありません');
  const person = (number) => say('Person ' + number, '利用者 ' + number);
  const row = (list, left, right, tag) => {
    const item = document.createElement('li');
    const line = document.createElement('div');
    line.className = 'row';
    const [one, other] = [document.createElement('span'), document.createElement('span')];
    const name = document.createElement('b');
    name.textContent = left;
    one.append(name);
    if (tag) {
      const mark = document.createElement('span');
      mark.className = 'tag';
      mark.textContent = tag;
      one.append(mark);
    }
    other.textContent = right;
    line.append(one, other);
    item.append(line);
    at(list).append(item);
  };
  // Of a long list the first entries, and the rest when it is asked for.
  const fold = (list) => {
    const most = 8;
    const rest = [...at(list).children].slice(most);
    if (rest.length < 3) return;
    const [folded, words, more] = ['details', 'summary', 'ul'].map((name) => document.createElement(name));
    words.textContent = say(rest.length + ' more', 'ほか ' + rest.length + ' 件');
    more.append(...rest);
    folded.append(words, more);
    at(list).after(folded);
  };
  const what = (event) => {
    const service = event.origin ?? (event.direct ? say('this page', 'このページ') : event.detail);
    const about = service ? say(': ', '：') + service : '';
    switch (event.kind) {
      case 'paired': return say('joined with a code', 'コードで追加されました') + about;
      case 'granted': return say('allowed a web service', 'ウェブサービスを許可しました') + about;
      case 'suspended': return say('paused a web service', 'ウェブサービスを一時停止しました') + about;
      case 'resumed': return say('resumed a web service', 'ウェブサービスを再開しました') + about;
      case 'deleted': return say('removed a web service', 'ウェブサービスを取り消しました') + about;
      case 'agent_left': return say('gave up the access', 'アクセスをやめました');
      case 'agent_removed': return say('was removed at the device', '機器本体で取り消されました');
      case 'window_opened': return say('had a code shown', 'コードを表示しました');
      case 'wrong_code': return say('A wrong code was tried', '間違ったコードが入力されました');
      default: return event.kind;
    }
  };
  let state;
  try {
    const answer = await fetch('/.well-known/latchkey/home.json', {redirect: 'error'});
    if (answer.status === 401) {
      location.reload();
      return;
    }
    state = await answer.json();
  } catch {
    at('failed').hidden = false;
    return;
  }
  document.title = at('name').textContent = state.device.name;
  const kinds = {'media-cache': say('media cache', 'メディアキャッシュ'),
    nas: say('storage device', 'ストレージ'), printer: say('printer', 'プリンター'),
    camera: say('camera', 'カメラ'), gateway: say('smart-home hub', 'スマートホームハブ')};
  const kind = Object.hasOwn(kinds, state.device.type) ? kinds[state.device.type] : state.device.type;
  at('make').textContent = [state.device.model, kind, state.device.firmware]
    .filter(Boolean).join(' \u00b7 ');
  const you = say('you', 'あなた');
  for (const one of state.people) {
    const count = one.services === 1 ? say('1 web service', '1 件のサービス')
                                     : say(one.services + ' web services', one.services + ' 件のサービス');
    row('people', person(one.person),
        say('since ' + when(one.since) + ', last seen ' + when(one.last_seen) + ', ' + count,
            when(one.since) + ' から、最終 ' + when(one.last_seen) + '、' + count),
        one.you ? you : '');
  }
  at('others').hidden = state.people.length < 2;
  // This page first, then by name.
  const named = (one) => one.origin ?? '';
  for (const one of state.services.sort((a, b) => named(a) < named(b) ? -1 : 1)) {
    const rests = one.state === 'active' ? '' : say('paused', '停止中');
    row('services', one.origin ?? say('This page', 'このページ'),
        say('since ', '') + when(one.since) + say('', ' から'), rests);
  }
  at('none').hidden = state.services.some((one) => one.origin);
  for (const one of state.events) {
    const who = one.own ? say('You', 'あなた') : one.person ? person(one.person)
      : one.kind === 'window_opened' ? say('The device', '機器本体') : '';
    row('events', who ? who + say(' ', '：') + what(one) : what(one), when(one.time));
  }
  for (const list of ['people', 'services', 'events']) fold(list);
  const {window: pairing} = state;
  at('guests').hidden = false;
  at('at-device').hidden = pairing.allowed;
  at('open').hidden = !pairing.open;
  at('close').hidden = !pairing.own;
  at('may').hidden = !pairing.allowed || pairing.open || pairing.seconds > 0;
  at('wait').hidden = !pairing.allowed || pairing.open || pairing.seconds === 0;
  if (pairing.seconds > 0) {
    const end = Date.now() + pairing.seconds * 1000;
    const until = new Intl.DateTimeFormat(ja ? 'ja' : undefined, {timeStyle: 'short'}).format(end);
    at('until').textContent = say('This ends at ' + until + '.', until + ' に終わります。');
    // What is shown is true for so long; a timer alone would be late where the computer has slept.
    const look = () => Date.now() > end ? location.reload() : setTimeout(look, 1000);
    look();
  }
  at('wait').textContent = say(
    'Too many wrong codes were tried. A new code can be shown in ' + pairing.seconds + ' seconds.',
    '間違ったコードが続けて入力されました。' + pairing.seconds + ' 秒後に新しいコードを表示できます。');
})();)js";

}  // namespace latchkey::front::page_text
