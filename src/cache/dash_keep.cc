// DASH manifests as they are kept: see cache/keeping.h.
#include <charconv>
#include <cstring>
#include <pugixml.hpp>
#include <sstream>
#include <vector>

#include "cache/keeping.h"

namespace latchkey::cache {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

class Writer {
 public:
  explicit Writer(MaxBandwidth most) : most_(most) {}
  [[nodiscard]] bool changed() const { return changed_; }

  // `outer`: what the references inside are relative to, as the text came; `place`: as it is kept.
  void write(pugi::xml_node node, const FetchUrl& outer, KeptPlace place) {
    const auto base = write_base(node, outer, place);
    if (!base) {
      return;  // leads nowhere; nothing below it was fetched
    }
    if (std::strcmp(node.name(), "AdaptationSet") == 0) {
      leave_out(node);
    }
    for (pugi::xml_node child : node.children()) {
      const std::string_view name = child.name();
      if (name == "Period" || name == "AdaptationSet" || name == "Representation") {
        write(child, *base, place);
      } else if (name == "SegmentTemplate" || name == "SegmentList" || name == "SegmentBase") {
        write_segments(child, *base);
      }
    }
  }

 private:
  std::optional<FetchUrl> write_base(pugi::xml_node node, const FetchUrl& outer, KeptPlace& place) {
    pugi::xml_node element = node.child("BaseURL");
    const std::string text(trimmed(element.child_value()));
    if (text.empty()) {
      return outer;
    }
    // Only the first is followed: the others stand for other places that have the same.
    while (pugi::xml_node other = element.next_sibling("BaseURL")) {
      node.remove_child(other);
      changed_ = true;
    }
    const auto better = place.rewritten(outer, text, true);
    if (better) {
      element.text().set(better->c_str());
      changed_ = true;
    }
    place = place.inside(better ? *better : text);
    return outer.resolve(text);
  }

  void leave_out(pugi::xml_node set) {
    std::vector<pugi::xml_node> offered;
    std::vector<std::uint64_t> bandwidths;
    for (const pugi::xml_node& one : set.children("Representation")) {
      const std::string_view digits = one.attribute("bandwidth").value();
      std::uint64_t bits = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      const bool whole = error == std::errc{} && end == digits.data() + digits.size();
      offered.push_back(one);
      bandwidths.push_back(whole ? bits : 0);
    }
    if (most_ == 0 || offered.size() < 2) {
      return;
    }
    const std::size_t chosen = choose_quality(bandwidths, most_);
    for (std::size_t i = 0; i < offered.size(); ++i) {
      if (i != chosen) {
        set.remove_child(offered[i]);
        changed_ = true;
      }
    }
  }

  void write_segments(pugi::xml_node node, const FetchUrl& base) {
    for (const char* name : {"media", "initialization", "index", "sourceURL"}) {
      write_pattern(node.attribute(name), base);
    }
    for (pugi::xml_node child : node.children()) {
      const std::string_view name = child.name();
      if (name == "SegmentURL" || name == "Initialization" || name == "RepresentationIndex") {
        write_segments(child, base);
      }
    }
  }

  // A reference, or a template of many: what stands between '$' is no part of a URL yet, so that
  // only what comes before the path is looked at.
  void write_pattern(pugi::xml_attribute attribute, const FetchUrl& base) {
    const std::string_view text = attribute.value();
    std::string_view path = text;
    std::string host = base.host();
    const bool absolute = text.starts_with("https://");
    if (absolute || text.starts_with("//")) {
      std::string_view rest = text.substr(absolute ? 8 : 2);
      const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
      const auto there = FetchUrl::parse("https://" + std::string(rest.substr(0, end)) + "/");
      if (!there) {
        return;
      }
      host = there->host();
      path = rest.substr(end);
    } else if (!text.starts_with('/')) {
      return;
    }
    const std::string better = std::string(kObjectsPath) + host + std::string(path);
    attribute.set_value(better.c_str());
    changed_ = true;
  }

  MaxBandwidth most_;
  bool changed_ = false;
};

}  // namespace

latchkey::Result<KeptPlaylist, PlaylistError> keep_dash(std::string_view text, const FetchUrl& from,
                                                        const ObjectName& name, MaxBandwidth most) {
  auto read = read_dash(text, from, most);
  if (!read) {
    return fail(read.error());
  }
  KeptPlaylist kept{*std::move(read), std::string(text)};
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size(),
                            pugi::parse_default | pugi::parse_declaration | pugi::parse_comments,
                            pugi::encoding_utf8)) {
    return fail(PlaylistError::kMalformed);
  }
  Writer writer(most);
  writer.write(document.child("MPD"), from, KeptPlace(name));
  if (writer.changed()) {
    std::ostringstream out;
    document.save(out, " ", pugi::format_default, pugi::encoding_utf8);
    kept.text = out.str();
  }
  return kept;
}

}  // namespace latchkey::cache
