#include "agent/people.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/text.h"
#include "wire/cbor.h"

namespace latchkey::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxPeople = 200;
constexpr std::size_t kMaxEvents = 500;
constexpr std::size_t kMaxKind = 32;
constexpr std::size_t kMaxDetail = 300;
constexpr std::uint64_t kMaxNumber = 1'000'000'000;
constexpr std::uint64_t kMaxTime = 0xffff'ffff'ffff;

std::optional<std::uint64_t> number(const json& of, const char* name, std::uint64_t most) {
  const auto at = of.find(name);
  if (at == of.end() || !at->is_number_unsigned() || at->get<std::uint64_t>() > most) {
    return std::nullopt;
  }
  return at->get<std::uint64_t>();
}

std::optional<bool> truth(const json& of, const char* name) {
  const auto at = of.find(name);
  return at == of.end() || !at->is_boolean() ? std::nullopt : std::optional(at->get<bool>());
}

std::optional<json> person_of(const json& said, const PeopleSight& sight) {
  if (!said.is_object()) {
    return std::nullopt;
  }
  const auto person = number(said, "agent", kMaxNumber);
  const auto own = truth(said, "own");
  const auto since = number(said, "since", kMaxTime);
  const auto seen = number(said, "seen", kMaxTime);
  const auto services = number(said, "services", kMaxNumber);
  if (!person || !own || !since || !seen || !services) {
    return std::nullopt;
  }
  return json{{"person", *person},
              {"you", *own},
              {"since", *since},
              {"last_seen", *seen},
              {"services", *own && !sight.everything ? json(nullptr) : json(*services)}};
}

bool is_kind(const std::string& text) {
  return !text.empty() && text.size() <= kMaxKind &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// Null: it is not the asker's to see.
std::optional<json> event_of(const json& said, const PeopleSight& sight) {
  if (!said.is_object()) {
    return std::nullopt;
  }
  const auto time = number(said, "time", kMaxTime);
  const auto own = truth(said, "own");
  const auto kind = said.find("kind");
  if (!time || !own || kind == said.end() || !kind->is_string() ||
      !is_kind(kind->get_ref<const std::string&>())) {
    return std::nullopt;
  }
  json event{
      {"time", *time}, {"kind", *kind}, {"person", nullptr}, {"you", *own}, {"detail", nullptr}};
  if (said.contains("agent")) {
    const auto person = number(said, "agent", kMaxNumber);
    if (!person) {
      return std::nullopt;
    }
    event["person"] = *person;
  }
  if (!*own) {
    return event;
  }
  if (const auto id = said.find("grant"); id != said.end()) {
    const auto grant = id->is_binary() ? GrantId::from_bytes(id->get_binary()) : std::nullopt;
    if (!grant) {
      return std::nullopt;
    }
    if (!sight.everything && !sight.sees(*grant)) {
      return json(nullptr);
    }
  }
  if (const auto detail = said.find("detail"); detail != said.end()) {
    if (!detail->is_string()) {
      return std::nullopt;
    }
    const std::string text = clean_display_name(detail->get_ref<const std::string&>(), kMaxDetail);
    event["detail"] = text.empty() ? json(nullptr) : json(text);
  }
  return event;
}

}  // namespace

wire::Result<json> people_json(ByteSpan answer, const PeopleSight& sight) {
  const auto bad = [](const char* what) {
    return fail(wire::Error{wire::ErrorCode::kMalformed, what, false});
  };
  const auto said = wire::decode_cbor(answer);
  if (!said) {
    return fail(said.error());
  }
  const auto people = said->find("people");
  const auto events = said->find("events");
  if (people == said->end() || !people->is_array() || people->size() > kMaxPeople ||
      events == said->end() || !events->is_array() || events->size() > kMaxEvents) {
    return bad("not a list of people and events");
  }
  json out{{"people", json::array()}, {"events", json::array()}};
  for (const json& one : *people) {
    auto person = person_of(one, sight);
    if (!person) {
      return bad("not a person");
    }
    out["people"].push_back(*std::move(person));
  }
  for (const json& one : *events) {
    auto event = event_of(one, sight);
    if (!event) {
      return bad("not an event");
    }
    if (!event->is_null()) {
      out["events"].push_back(*std::move(event));
    }
  }
  return out;
}

}  // namespace latchkey::agent
