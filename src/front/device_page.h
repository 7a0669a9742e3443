// The device's own page, on direct hosts (docs/protocol.md section 6): who is paired, what
// happened, what one's own web services are; letting somebody in; leaving. What is read and who may
// act is decided here; the shell does it.
//
//   GET  /.well-known/latchkey/home            the page
//   GET  /.well-known/latchkey/home.json       what it shows
//   POST /.well-known/latchkey/window          opens the pairing window, shows the code once
//   POST /.well-known/latchkey/window/close    ends one's own window
//   POST /.well-known/latchkey/leave           ends everything of this person at this device
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "front/page.h"
#include "front/people.h"
#include "grant/grant.h"
#include "grant/session.h"

namespace latchkey::front {

inline constexpr std::string_view kHomePath = "/.well-known/latchkey/home";
// How young a ticket must be for what changes something here.
inline constexpr std::chrono::milliseconds kFreshSession = std::chrono::minutes(10);
// Between two windows that were opened from the page: each costs the device work and a line in the
// trail of everybody.
inline constexpr std::chrono::milliseconds kWindowSpacing = std::chrono::seconds(10);
inline constexpr std::size_t kMaxHomeLines = 100;

enum class PageAct { kState, kOpenWindow, kCloseWindow, kLeave };
// What the shell is to do and to answer with one of the pages below.
struct PageRequest {
  PageAct act;
  Language language;
  grant::Session session;
};

// Whether a person's click on our own page sent this: a navigation of a whole window, from this
// very host, that a script's fetch cannot be. `authority`: the Host field as an origin would say
// it.
bool is_click_of_ours(const wire::HttpRequestHead& head, std::string_view authority);

// --- what the page shows ---

struct HomeFacts {
  std::string name, type, model, firmware;
  std::vector<grant::BoundAgent> agents;   // everybody, in the order in which they came
  std::vector<std::size_t> services;       // how many grants each has
  std::vector<grant::DeviceGrant> grants;  // the viewer's own
  std::vector<AuditLine> trail;            // newest first, everybody's
  bool may_open_window = false;            // the device's owner allows it
  bool window_open = false;
  bool window_is_own = false;               // this person opened it from here
  std::chrono::milliseconds window_left{};  // or the wait until it can be opened
};
// `{device, person, people: [{person, you, since, last_seen, services}], services: [{origin, host,
// since, until, state}], events: [{time, kind, own, person?, origin?, detail?}], window: {allowed,
// open, own, seconds}}`. Of others there is a number and nothing else.
std::string home_json(const HomeFacts& facts, const SpkiHash& viewer,
                      const std::function<std::uint64_t(const SpkiHash&)>& number);
Answer home_page(Language language);

// --- the window ---

enum class WindowRefusal { kNotAllowed, kAlreadyOpen, kWait };
struct WindowFacts {
  bool allowed = false;
  bool open = false;
  std::chrono::milliseconds wait{};  // of the window itself, after too many wrong codes
  std::optional<std::chrono::milliseconds> since_last{};  // since one was opened from the page
};
std::optional<WindowRefusal> judge_window(const WindowFacts& facts);

Answer code_page(Language language, std::string_view code, std::chrono::minutes length);
Answer window_refused_page(Language language, WindowRefusal refusal);
Answer back_to_home();  // 303
Answer left_page(Language language);
Answer failed_page(Language language);  // 500: it could not be done

}  // namespace latchkey::front
