#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <pugixml.hpp>

#include "base/text.h"
#include "cache/entry_list.h"
#include "cache/segment_template.h"

namespace latchkey::cache {

namespace {

using Kind = PlaylistEntry::Kind;

constexpr double kMaxSeconds = 10.0 * 365 * 86400;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<std::uint64_t> number(const pugi::xml_attribute& attribute) {
  const std::string_view text = attribute.value();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

// What an element inherits: the same element of its parents, innermost first.
struct Chain {
  std::array<pugi::xml_node, 3> nodes;  // of Representation, AdaptationSet, Period
  [[nodiscard]] bool any() const { return nodes[0] || nodes[1] || nodes[2]; }
  [[nodiscard]] pugi::xml_attribute attribute(const char* name) const {
    for (const pugi::xml_node& node : nodes) {
      if (const auto found = node.attribute(name)) {
        return found;
      }
    }
    return {};
  }
  [[nodiscard]] pugi::xml_node child(const char* name) const {
    for (const pugi::xml_node& node : nodes) {
      if (const auto found = node.child(name)) {
        return found;
      }
    }
    return {};
  }
};

struct Place {
  FetchUrl base;
  double seconds = 0;  // of the period; 0: not known
};

// A base that leads nowhere is not passed over: what it is a base of would lead somewhere else.
std::optional<FetchUrl> base_in(const pugi::xml_node& node, const FetchUrl& outer) {
  const auto text = trimmed(node.child("BaseURL").child_value());
  return text.empty() ? std::optional(outer) : outer.resolve(text);
}

class Reader {
 public:
  Reader(MaxBandwidth most, EntryList& list) : most_(most), list_(list) {}

  // False: too much of it.
  bool read_period(const pugi::xml_node& period, const Place& outer) {
    const auto base = base_in(period, outer.base);
    if (!base || period.attribute("xlink:href")) {
      return list_.skip();  // it stands elsewhere, which is not asked for
    }
    for (const auto& set : period.children("AdaptationSet")) {
      const auto set_base = base_in(set, *base);
      const bool here = set_base && !set.attribute("xlink:href");
      if (here ? !read_set(period, set, {*set_base, outer.seconds}) : !list_.skip()) {
        return false;
      }
    }
    return true;
  }

 private:
  bool read_set(const pugi::xml_node& period, const pugi::xml_node& set, const Place& place) {
    std::vector<pugi::xml_node> offered;
    std::vector<std::uint64_t> bandwidths;
    for (const auto& one : set.children("Representation")) {
      offered.push_back(one);
      bandwidths.push_back(number(one.attribute("bandwidth")).value_or(0));
    }
    if (offered.empty()) {
      return true;
    }
    if (most_ != 0) {
      const std::size_t chosen = choose_quality(bandwidths, most_);
      offered = {offered[chosen]};
    }
    for (const auto& one : offered) {
      const auto base = base_in(one, place.base);
      if (base ? !read_representation({period, set, one}, {*base, place.seconds}) : !list_.skip()) {
        return false;
      }
    }
    return true;
  }

  struct Nest {
    pugi::xml_node period, set, representation;
    [[nodiscard]] Chain chain(const char* name) const {
      return {{representation.child(name), set.child(name), period.child(name)}};
    }
  };

  bool read_representation(const Nest& nest, const Place& place) {
    if (const Chain chain = nest.chain("SegmentTemplate"); chain.any()) {
      return read_template(nest, chain, place);
    }
    if (const Chain chain = nest.chain("SegmentList"); chain.any()) {
      return read_list(chain, place);
    }
    // One file; its index, if it has one, is inside.
    return list_.add(Kind::kMedia, place.base, "");
  }

  bool read_list(const Chain& chain, const Place& place) {
    const auto first = chain.child("Initialization");
    if (first &&
        !list_.add(Kind::kInitialisation, place.base, first.attribute("sourceURL").value())) {
      return false;
    }
    for (const auto& node : chain.nodes) {
      if (!node.child("SegmentURL")) {
        continue;
      }
      for (const auto& segment : node.children("SegmentURL")) {
        // Without a name of its own it is a range of the base.
        if (!list_.add(Kind::kMedia, place.base, segment.attribute("media").value())) {
          return false;
        }
      }
      break;
    }
    return true;
  }

  bool read_template(const Nest& nest, const Chain& chain, const Place& place) {
    SegmentNaming naming;
    naming.representation = nest.representation.attribute("id").value();
    naming.bandwidth = number(nest.representation.attribute("bandwidth")).value_or(0);
    if (const auto text = chain.attribute("initialization")) {
      if (!add(Kind::kInitialisation, text.value(), naming, place)) {
        return false;
      }
    }
    const std::string_view media = chain.attribute("media").value();
    if (media.empty()) {
      return true;
    }
    naming.number = number(chain.attribute("startNumber")).value_or(1);
    const double timescale = static_cast<double>(
        std::max<std::uint64_t>(number(chain.attribute("timescale")).value_or(1), 1));
    const double length = place.seconds * timescale;
    if (const auto timeline = chain.child("SegmentTimeline")) {
      return read_timeline(timeline, media, naming, {place.base, length});
    }
    const std::uint64_t duration = number(chain.attribute("duration")).value_or(0);
    const auto last = number(chain.attribute("endNumber"));
    if (duration == 0 || (length <= 0 && !last)) {
      return list_.skip();  // without an end: live, or nothing that we understand
    }
    const double count = last ? static_cast<double>(*last) - static_cast<double>(naming.number) + 1
                              : std::ceil(length / static_cast<double>(duration));
    if (count > static_cast<double>(kMaxPlaylistEntries)) {
      return false;
    }
    for (double i = 0; i < count; ++i) {
      if (!add(Kind::kMedia, media, naming, place)) {
        return false;
      }
      ++naming.number;
      naming.time += duration;
    }
    return true;
  }

  // `place.seconds` counts in units of the timeline here.
  bool read_timeline(const pugi::xml_node& timeline, std::string_view media, SegmentNaming naming,
                     const Place& place) {
    for (const auto& run : timeline.children("S")) {
      naming.time = number(run.attribute("t")).value_or(naming.time);
      const std::uint64_t duration = number(run.attribute("d")).value_or(0);
      if (duration == 0 || naming.time > (std::uint64_t{1} << 62U) ||
          duration > (std::uint64_t{1} << 40U)) {
        return list_.skip();
      }
      double more = static_cast<double>(run.attribute("r").as_llong(0));
      if (more < 0) {  // until the next one, or the end
        const auto next = number(run.next_sibling("S").attribute("t"));
        const double until = next ? static_cast<double>(*next) : place.seconds;
        more =
            std::ceil((until - static_cast<double>(naming.time)) / static_cast<double>(duration)) -
            1;
      }
      if (more > static_cast<double>(kMaxPlaylistEntries)) {
        return false;
      }
      for (double i = 0; i <= more; ++i) {
        if (!add(Kind::kMedia, media, naming, place)) {
          return false;
        }
        ++naming.number;
        naming.time += duration;
      }
    }
    return true;
  }

  bool add(Kind kind, std::string_view pattern, const SegmentNaming& naming, const Place& place) {
    // A template may name the same file ten million times over.
    if (++named_ > 2 * kMaxPlaylistEntries) {
      return false;
    }
    const auto name = fill_template(pattern, naming);
    return name ? list_.add(kind, place.base, *name) : list_.skip();
  }

  MaxBandwidth most_;
  EntryList& list_;
  std::size_t named_ = 0;
};

}  // namespace

latchkey::Result<Playlist, PlaylistError> read_dash(std::string_view text, const FetchUrl& from,
                                                    MaxBandwidth most) {
  if (text.size() > kMaxPlaylistBytes) {
    return fail(PlaylistError::kTooLarge);
  }
  pugi::xml_document document;
  // A document type is read only to be refused; pugixml expands nothing that one declares.
  const auto parsed = document.load_buffer(
      text.data(), text.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
  const auto mpd = document.child("MPD");
  const bool has_type = document.find_child(
      [](const pugi::xml_node& node) { return node.type() == pugi::node_doctype; });
  if (!parsed || !is_utf8(text) || !mpd || has_type) {
    return fail(PlaylistError::kMalformed);
  }
  EntryList list;
  if (std::strcmp(mpd.attribute("type").value(), "dynamic") == 0) {
    list.set_live();
  }
  const auto base = base_in(mpd, from);
  if (!base) {
    return fail(PlaylistError::kMalformed);
  }
  const auto whole = parse_duration(mpd.attribute("mediaPresentationDuration").value());
  Reader reader(most, list);
  double start = 0;
  for (const auto& period : mpd.children("Period")) {
    start = parse_duration(period.attribute("start").value()).value_or(start);
    const auto next = parse_duration(period.next_sibling("Period").attribute("start").value());
    const auto own = parse_duration(period.attribute("duration").value());
    const double end = own ? start + *own : next ? *next : whole.value_or(start);
    const double seconds = std::min(std::max(end - start, 0.0), kMaxSeconds);
    if (!reader.read_period(period, {*base, seconds})) {
      return fail(PlaylistError::kTooLarge);
    }
    start = end;
  }
  return list.take();
}

}  // namespace latchkey::cache
