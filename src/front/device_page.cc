#include "front/device_page.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "front/device_page_text.h"

namespace latchkey::front {

namespace {

using nlohmann::json;

constexpr Words kTitle = {"Your device", "お使いの機器"};
constexpr Words kBack = {"Back", "戻る"};

bool says(const wire::HttpFields& fields, std::string_view name, std::string_view value) {
  const std::string* field = fields.find(name);
  return field != nullptr && fields.count(name) == 1 && *field == value;
}

std::string home_markup(Language language) {
  std::string out(page_text::kHomeMarkup);
  for (const auto& [name, words] : page_text::kHomeWords) {
    const std::string place = "{" + std::string(name) + "}";
    for (auto at = out.find(place); at != std::string::npos; at = out.find(place)) {
      out.replace(at, place.size(), words.in(language));
    }
  }
  return out;
}

Answer message(int status, Language language, Words heading, Words text, bool goes_back) {
  std::string body = "<h1>" + std::string(heading.in(language)) + "</h1><p>" +
                     std::string(text.in(language)) + "</p>";
  if (goes_back) {
    body += "<p><a class=\"button plain\" href=\"" + std::string(kHomePath) + "\">" +
            std::string(kBack.in(language)) + "</a></p>";
  }
  return make_page({.status = status, .title = kTitle, .body = std::move(body), .script = {}},
                   language);
}

std::int64_t whole_seconds(std::chrono::milliseconds time) {
  return std::max<std::int64_t>(0, (time.count() + 999) / 1000);
}

json event_json(const SeenLine& line, const std::vector<grant::DeviceGrant>& grants) {
  json event = {{"time", line.time.unix_seconds}, {"kind", line.kind}, {"own", line.own}};
  if (line.person) {
    event["person"] = *line.person;
  }
  if (!line.own) {
    return event;
  }
  if (!line.detail.empty()) {
    event["detail"] = line.detail;
  }
  const auto grant = std::find_if(grants.begin(), grants.end(),
                                  [&line](const auto& one) { return one.id == line.grant; });
  if (grant != grants.end()) {
    event["direct"] = !grant->origin;
    if (grant->origin) {
      event["origin"] = grant->origin->text();
    }
  }
  return event;
}

}  // namespace

bool is_click_of_ours(const wire::HttpRequestHead& head, std::string_view authority) {
  const wire::HttpFields& fields = head.fields;
  return says(fields, "Origin", "https://" + std::string(authority)) &&
         says(fields, "Sec-Fetch-Site", "same-origin") &&
         says(fields, "Sec-Fetch-Mode", "navigate") && says(fields, "Sec-Fetch-Dest", "document") &&
         says(fields, "Sec-Fetch-User", "?1");
}

std::string home_json(const HomeFacts& facts, const SpkiHash& viewer,
                      const std::function<std::uint64_t(const SpkiHash&)>& number) {
  json people = json::array();
  for (std::size_t i = 0; i < facts.agents.size(); ++i) {
    const grant::BoundAgent& agent = facts.agents[i];
    people.push_back({{"person", number(agent.key_hash)},
                      {"you", agent.key_hash == viewer},
                      {"since", agent.bound_at.unix_seconds},
                      {"last_seen", agent.last_seen.unix_seconds},
                      {"services", facts.services[i]}});
  }
  json services = json::array();
  for (const grant::DeviceGrant& grant : facts.grants) {
    const auto state = grant.suspended ? grant::State::kSuspended : grant.state;
    services.push_back({{"origin", grant.origin ? json(grant.origin->text()) : json(nullptr)},
                        {"host", grant.host.text()},
                        {"since", grant.created.unix_seconds},
                        {"until", grant.not_after.unix_seconds},
                        {"state", std::string(grant::name_of(state))}});
  }
  json events = json::array();
  for (const SeenLine& line : as_seen_by(viewer, facts.trail, number)) {
    events.push_back(event_json(line, facts.grants));
  }
  return json{{"device",
               {{"name", facts.name},
                {"type", facts.type},
                {"model", facts.model},
                {"firmware", facts.firmware}}},
              {"person", number(viewer)},
              {"people", std::move(people)},
              {"services", std::move(services)},
              {"events", std::move(events)},
              {"window",
               {{"allowed", facts.may_open_window},
                {"open", facts.window_open},
                {"own", facts.window_is_own},
                {"seconds", whole_seconds(facts.window_left)}}}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Answer home_page(Language language) {
  return make_page({.title = kTitle,
                    .body = home_markup(language),
                    .script = page_text::kHomeScript,
                    .has_forms = true},
                   language);
}

std::optional<WindowRefusal> judge_window(const WindowFacts& facts) {
  if (!facts.allowed) {
    return WindowRefusal::kNotAllowed;
  }
  if (facts.open) {
    return WindowRefusal::kAlreadyOpen;
  }
  if (facts.wait > std::chrono::milliseconds(0) ||
      (facts.since_last && *facts.since_last < kWindowSpacing)) {
    return WindowRefusal::kWait;
  }
  return std::nullopt;
}

Answer code_page(Language language, std::string_view code, std::chrono::minutes length) {
  constexpr Words kHeading = {"Type this code", "このコードを入力してください"};
  constexpr Words kHow = {
      "In Latchkey on the other person's computer. It works once, for the next ",
      "相手のパソコンの Latchkey に入力します。使えるのは 1 回だけで、有効期間は "};
  constexpr Words kMinutes = {" minutes.", " 分です。"};
  constexpr Words kOnce = {
      "Show it to nobody who is not here with you. It is not shown again; you will see on the "
      "device's page when somebody has joined.",
      "その場にいない人には見せないでください。コードは二度と表示されません。追加されると機器のペー"
      "ジで"
      "確認できます。"};
  constexpr Words kStop = {"Stop", "受け付けを終える"};
  const std::string body =
      "<h1>" + std::string(kHeading.in(language)) + "</h1><p class=\"code\" id=\"code\">" +
      std::string(code) + "</p><p>" + std::string(kHow.in(language)) +
      std::to_string(length.count()) + std::string(kMinutes.in(language)) +
      "</p><p class=\"quiet\">" + std::string(kOnce.in(language)) +
      "</p><form method=\"post\" action=\"/.well-known/latchkey/window/close\"><button "
      "class=\"plain\">" +
      std::string(kStop.in(language)) + "</button></form><a class=\"button\" href=\"" +
      std::string(kHomePath) + "\">" + std::string(kBack.in(language)) + "</a>";
  return make_page({.title = kTitle, .body = body, .script = {}, .has_forms = true}, language);
}

Answer window_refused_page(Language language, WindowRefusal refusal) {
  constexpr Words kHeading = {"No code this time", "コードを表示できません"};
  switch (refusal) {
    case WindowRefusal::kNotAllowed:
      return message(403, language, kHeading,
                     {"This device shows its code only at the device itself.",
                      "この機器のコードは、機器本体にだけ表示されます。"},
                     true);
    case WindowRefusal::kAlreadyOpen:
      return message(409, language, kHeading,
                     {"A code is in use already. Wait until it has ended, or have whoever opened "
                      "it stop it.",
                      "すでに別のコードが使われています。終わるまで待つか、表示した人に終了を頼んで"
                      "ください。"},
                     true);
    case WindowRefusal::kWait:
      break;
  }
  return message(429, language, kHeading,
                 {"A code was shown, or a wrong one typed, just before. Try again in a moment.",
                  "直前にコードが表示されたか、間違ったコードが入力されました。少し待ってからもう一"
                  "度お試しください。"},
                 true);
}

Answer back_to_home() {
  Answer answer;
  answer.status = 303;
  answer.fields.add("Location", kHomePath);
  answer.fields.add("Cache-Control", "no-store");
  return answer;
}

Answer left_page(Language language) {
  return message(200, language, {"Your access has ended", "アクセスを終了しました"},
                 {"You can close this page. To use the device again, add it in Latchkey with a new "
                  "code.",
                  "このページは閉じてかまいません。また使うときは、新しいコードで Latchkey "
                  "に追加してください。"},
                 false);
}

Answer failed_page(Language language) {
  return message(500, language, {"That did not work", "実行できませんでした"},
                 {"The device could not do it just now. Try again in a moment.",
                  "今は実行できません。少し待ってからもう一度お試しください。"},
                 true);
}

}  // namespace latchkey::front
