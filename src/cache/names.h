// Whose objects are whose, and what they are called. Nothing here is ever a path of a file: files
// are numbered (cache/records.h), so a name can be as strange as it likes.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/origin.h"

namespace latchkey::cache {

// Who signed in, as the device in front says: only the two together name somebody.
struct Person {
  std::string issuer, user;
  // Both visible ASCII, at most 2048 and 255 characters; nothing for anything else.
  static std::optional<Person> make(std::string_view issuer, std::string_view user);
};

// The objects of one web origin, or those of the people at the device's own page (a direct grant,
// which names no origin): the hash of which of the two and of the origin's text. Every person whose
// grant is for an origin shares its partition, so that all screens of a house play one film; where
// the owner wants each person to have their own, it is of the person, too.
class Partition {
 public:
  using Key = FixedId<struct PartitionTag, 32>;
  static constexpr std::size_t kMaxText = 300 + 2048 + 255 + 2;
  static Partition of(const std::optional<Origin>& origin,
                      const std::optional<Person>& person = std::nullopt);
  // As text() gave it.
  static std::optional<Partition> parse(std::string_view text);
  [[nodiscard]] const Key& key() const { return key_; }
  // The origin (empty: the device's own page), and behind a blank each the person's issuer and
  // name.
  [[nodiscard]] const std::string& text() const { return text_; }
  // For lists that people read, and for whom is asked on the internet: names nobody.
  [[nodiscard]] std::string origin() const { return text_.substr(0, text_.find(' ')); }
  friend bool operator==(const Partition& a, const Partition& b) { return a.key_ == b.key_; }

 private:
  Partition(const Key& key, std::string text) : key_(key), text_(std::move(text)) {}
  Key key_;
  std::string text_;
};

inline constexpr std::size_t kMaxObjectName = 1024;

// What an object is called inside its partition: segments between '/', and perhaps '?' and a query.
// Segments are UTF-8 without control characters, not empty, not "." or "..", without '?'; the query
// is printable ASCII. At most kMaxObjectName bytes. Names compare by bytes.
class ObjectName {
 public:
  // From a request target without its prefix: the path is percent-decoded, the query stays as it
  // is, so that `a/b.m3u8?token=1` in a playlist means the same here as where it came from. Nothing
  // for any other name, for an encoded '/', '\' or '?', and for broken escapes.
  static std::optional<ObjectName> from_target(std::string_view target);
  // As text() gives it.
  static std::optional<ObjectName> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  // What from_target() takes.
  [[nodiscard]] std::string target() const;
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;

 private:
  explicit ObjectName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace latchkey::cache
