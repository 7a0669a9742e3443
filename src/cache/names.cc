#include "cache/names.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace latchkey::cache {

namespace {

bool is_segment(std::string_view segment) {
  return !segment.empty() && segment != "." && segment != ".." && is_utf8(segment) &&
         std::ranges::none_of(segment, [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte == 0x7f || c == '/' || c == '\\' || c == '?';
         });
}

bool is_query(std::string_view query) {
  return std::ranges::all_of(query, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
}

struct Parts {
  std::string_view path;
  std::optional<std::string_view> query;
};

Parts split_query(std::string_view text) {
  const std::size_t mark = text.find('?');
  if (mark == std::string_view::npos) {
    return {text, std::nullopt};
  }
  return {text.substr(0, mark), text.substr(mark + 1)};
}

// The segments, each through `read`, joined again; nothing where one is none.
template <class Read>
std::optional<std::string> read_segments(std::string_view path, Read read) {
  std::string out;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::optional<std::string> segment = read(path.substr(0, slash));
    if (!segment || !is_segment(*segment)) {
      return std::nullopt;
    }
    out.append(out.empty() ? "" : "/").append(*segment);
    if (slash == std::string_view::npos) {
      return out;
    }
    path.remove_prefix(slash + 1);
  }
}

std::optional<std::string> with_query(std::string path, std::optional<std::string_view> query) {
  if (query) {
    if (!is_query(*query)) {
      return std::nullopt;
    }
    path.append("?").append(*query);
  }
  return path.size() <= kMaxObjectName ? std::optional(std::move(path)) : std::nullopt;
}

}  // namespace

std::optional<Person> Person::make(std::string_view issuer, std::string_view user) {
  const auto fits = [](std::string_view text, std::size_t max) {
    return !text.empty() && text.size() <= max &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  };
  return fits(issuer, 2048) && fits(user, 255)
             ? std::optional(Person{std::string(issuer), std::string(user)})
             : std::nullopt;
}

Partition Partition::of(const std::optional<Origin>& origin, const std::optional<Person>& person) {
  constexpr std::string_view kPurpose = "latchkey media cache partition";
  const std::string which = origin ? "\norigin\n" : "\ndirect\n";
  std::string text = origin ? origin->text() : std::string();
  if (person) {
    // Neither an origin nor a part of a person has a blank in it.
    text.append(" ").append(person->issuer).append(" ").append(person->user);
  }
  return {Key(crypto::sha256({as_bytes(kPurpose), as_bytes(which), as_bytes(text)})), text};
}

std::optional<Partition> Partition::parse(std::string_view text) {
  const std::size_t blank = text.find(' ');
  const std::string_view first = text.substr(0, blank);
  const auto origin = Origin::parse(first);
  if (text.size() > kMaxText || (!origin && !first.empty())) {
    return std::nullopt;
  }
  if (blank == std::string_view::npos) {
    return of(origin);
  }
  const std::string_view rest = text.substr(blank + 1);
  const std::size_t second = rest.find(' ');
  const auto person = second == std::string_view::npos
                          ? std::nullopt
                          : Person::make(rest.substr(0, second), rest.substr(second + 1));
  return person ? std::optional(of(origin, person)) : std::nullopt;
}

std::optional<ObjectName> ObjectName::from_target(std::string_view target) {
  if (target.size() > 3 * kMaxObjectName) {
    return std::nullopt;
  }
  const Parts parts = split_query(target);
  auto path = read_segments(parts.path, [](std::string_view text) { return percent_decode(text); });
  auto text = path ? with_query(*std::move(path), parts.query) : std::nullopt;
  return text ? std::optional(ObjectName(*std::move(text))) : std::nullopt;
}

std::optional<ObjectName> ObjectName::parse(std::string_view text) {
  if (text.size() > kMaxObjectName) {
    return std::nullopt;
  }
  const Parts parts = split_query(text);
  auto path = read_segments(parts.path,
                            [](std::string_view one) { return std::optional<std::string>(one); });
  auto whole = path ? with_query(*std::move(path), parts.query) : std::nullopt;
  return whole ? std::optional(ObjectName(*std::move(whole))) : std::nullopt;
}

std::string ObjectName::target() const {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const Parts parts = split_query(text_);
  std::string out;
  for (const char c : parts.path) {
    if (kPlain.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte >> 4U], kDigits[byte & 15U]});
    }
  }
  if (parts.query) {
    out.append("?").append(*parts.query);
  }
  return out;
}

}  // namespace latchkey::cache
