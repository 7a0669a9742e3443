// What `latchkey-media-cache` is told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/origin.h"
#include "net/address.h"

namespace latchkey::mediacache {

struct Options {
  std::filesystem::path state;
  std::filesystem::path socket;
  std::string group;                     // who else may connect; empty: nobody
  std::uint64_t quota = 0;               // bytes, of all origins together; 0: what the disk has
  std::uint64_t quota_per_origin = 0;    // bytes; 0: half of that
  std::uint64_t keep_free = 0;           // bytes of the disk that are left to others
  bool per_person = false;               // everybody who signs in has their own
  bool no_fetch = false;                 // not by itself, whatever pages ask for
  std::string ca_file;                   // whom it believes then; empty: the system's authorities
  std::vector<net::Network> fetch_from;  // besides the public internet
  std::size_t fetch_attempts = 0;        // for one file; 0: as it comes
};

// "500M", "2G", "1T" (powers of 1024), or bytes. Nothing for anything else.
std::optional<std::uint64_t> parse_size(std::string_view text);

// The exit codes of all programs.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kMisused = 2;

int run(const Options& options);

}  // namespace latchkey::mediacache
