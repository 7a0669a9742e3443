#include "cache/fetching.h"

#include <algorithm>
#include <array>

#include "cache/digest.h"
#include "cache/upload.h"
#include "wire/http_selection.h"

namespace latchkey::cache {

namespace {

constexpr std::int64_t kMaxWait = 86400;

std::string text_of(const wire::HttpFields& fields, std::string_view name) {
  const std::string* value = fields.find(name);
  return value != nullptr && value->size() <= kMaxFieldText ? *value : std::string();
}

FetchPlan gone(std::string why) {
  FetchPlan plan;
  plan.why = std::move(why);
  return plan;
}

FetchPlan again(const wire::HttpFields& fields, std::string why, WallTime now) {
  FetchPlan plan;
  plan.kind = FetchPlan::Kind::kTryAgain;
  plan.why = std::move(why);
  if (const std::string* wait = fields.find("Retry-After")) {
    plan.wait = read_retry_after(*wait, now);
  }
  return plan;
}

bool worth_another_try(long status) {
  constexpr std::array<long, 7> kPassing = {408, 421, 425, 429, 500, 502, 503};
  return std::ranges::find(kPassing, status) != kPassing.end() || status == 504;
}

// "bytes 5-9/10", with the total known.
struct Part {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t whole = 0;
};
std::optional<Part> read_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos ||
      slash == std::string_view::npos || dash > slash) {
    return std::nullopt;
  }
  const auto first = parse_count(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = parse_count(text.substr(dash + 1, slash - dash - 1));
  const auto whole = parse_count(text.substr(slash + 1));
  if (!first || !last || !whole || *last < *first || *last >= *whole) {
    return std::nullopt;
  }
  return Part{*first, *last, *whole};
}

void read_facts(const wire::HttpFields& fields, const FetchAsk& ask, FetchPlan& plan) {
  plan.facts.type = text_of(fields, "Content-Type");
  plan.facts.source = ask.url.text();
  plan.facts.source_tag = text_of(fields, "ETag");
  if (const std::string* modified = fields.find("Last-Modified")) {
    plan.facts.modified = std::max<std::int64_t>(wire::parse_http_date(*modified).value_or(0), 0);
  }
  const SaidDigest said = read_digest(fields, kReprDigest);
  if (said.kind == SaidDigest::Kind::kSha256) {
    plan.digest = said.value;
  }
}

FetchPlan judge_redirect(const wire::HttpFields& fields, const FetchAsk& ask) {
  const std::string* location = fields.find("Location");
  auto to = location != nullptr && fields.count("Location") == 1 ? ask.url.resolve(*location)
                                                                 : std::nullopt;
  if (!to) {
    return gone("bad_redirect");
  }
  FetchPlan plan;
  plan.kind = FetchPlan::Kind::kRedirect;
  plan.to = std::move(to);
  return plan;
}

FetchPlan judge_content(long status, const wire::HttpFields& fields, const FetchAsk& ask) {
  const std::string* length = fields.find("Content-Length");
  const std::string* encoding = fields.find("Content-Encoding");
  if (encoding != nullptr && !wire::iequals(*encoding, "identity")) {
    return gone("encoded");  // not asked for, and it would be kept that way
  }
  FetchPlan plan;
  plan.kind = FetchPlan::Kind::kWhole;
  if (length != nullptr) {
    plan.length = parse_count(*length);
    if (!plan.length) {
      return gone("too_large");
    }
  }
  if (status == 206) {
    const std::string* range = fields.find("Content-Range");
    const auto part = range != nullptr ? read_content_range(*range) : std::nullopt;
    // Exactly what was asked for, of the same whole; anything else is no use and not kept.
    if (ask.have == 0 || !part || part->first != ask.have || part->last + 1 != part->whole ||
        (ask.whole && *ask.whole != part->whole) ||
        (plan.length && *plan.length != part->whole - part->first)) {
      return gone("bad_range");
    }
    plan.kind = FetchPlan::Kind::kRest;
    plan.length = part->whole;
  }
  if (plan.length.value_or(0) > ask.most) {
    return gone("too_large");
  }
  read_facts(fields, ask, plan);
  return plan;
}

}  // namespace

std::optional<std::chrono::seconds> read_retry_after(std::string_view text, WallTime now) {
  std::int64_t wait = 0;
  if (const auto count = parse_count(text)) {
    wait = static_cast<std::int64_t>(std::min<std::uint64_t>(*count, kMaxWait));
  } else if (const auto date = wire::parse_http_date(text)) {
    wait = std::clamp<std::int64_t>(*date - now.unix_seconds, 0, kMaxWait);
  } else {
    return std::nullopt;
  }
  return std::chrono::seconds(wait);
}

bool is_strong_tag(std::string_view tag) {
  return tag.size() > 2 && tag.front() == '"' && tag.back() == '"';
}

bool may_read(const FetchUrl& url, std::string_view origin, const wire::HttpFields& fields) {
  if (url.text().starts_with("https://") && origin == "https://" + url.host()) {
    return true;
  }
  const std::string* allowed = fields.find("Access-Control-Allow-Origin");
  return allowed != nullptr && fields.count("Access-Control-Allow-Origin") == 1 &&
         (*allowed == "*" || (!origin.empty() && *allowed == origin));
}

FetchPlan judge_answer(long status, const wire::HttpFields& fields, const FetchAsk& ask,
                       WallTime now) {
  if (worth_another_try(status)) {
    return again(fields, "http_" + std::to_string(status), now);
  }
  const bool redirect =
      status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  const bool content = status == 200 || status == 206;
  const bool unchanged = status == 304 && ask.conditional;
  if (!redirect && !content && !unchanged) {
    return gone("http_" + std::to_string(status));
  }
  if (!may_read(ask.url, ask.origin, fields)) {
    return gone("not_allowed");
  }
  if (redirect) {
    return judge_redirect(fields, ask);
  }
  if (unchanged) {
    FetchPlan plan;
    plan.kind = FetchPlan::Kind::kUnchanged;
    return plan;
  }
  return judge_content(status, fields, ask);
}

}  // namespace latchkey::cache
