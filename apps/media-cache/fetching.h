// Fetches one file from the internet into a draft, in a thread that waits.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/fetching.h"
#include "cache/playlist.h"
#include "cache/prefetch.h"
#include "media-cache/vault.h"
#include "net/https_fetch.h"

namespace latchkey::mediacache {

// For all files alike.
struct FetchRules {
  std::string ca_file;
  std::vector<net::Network> also;
};

// What has come of a file before the connection broke, where the rest can be asked for.
struct FetchPart {
  Draft draft;
  std::string tag;  // strong
  std::uint64_t whole = 0;
  std::optional<Digest256> digest;  // that the server gave
};

struct FetchTask {
  cache::FetchUrl url;
  std::string origin;  // of the page
  cache::Partition partition;
  cache::JobId job;
  bool follow = true;              // a playlist is collected, not written
  std::uint64_t room = 0;          // bytes that this job may still bring
  std::string held_tag = {};       // of the object that is there
  std::string held_modified = {};  // the same, as an HTTP date
  std::optional<FetchPart> part = {};
};

struct FetchResult {
  cache::FetchEnd end = cache::FetchEnd::kTryAgain;
  std::string why;  // a code, where it is not kStored
  std::optional<std::chrono::seconds> wait = {};
  std::optional<FetchPart> part = {};  // of kTryAgain
  // Of kStored:
  bool unchanged = false;           // what is there is right
  std::optional<Draft> draft = {};  // whole, not finished
  cache::PlaylistKind kind = cache::PlaylistKind::kNone;
  std::string playlist = {};                 // where it is one, and was followed
  std::optional<cache::FetchUrl> from = {};  // after redirects
  cache::ObjectFacts facts = {};
  std::optional<Digest256> digest = {};  // that the server gave
};

// `now`: for Retry-After. Drafts that are not in the result are given up.
FetchResult fetch_file(net::FetchSession& session, Vault& vault, const FetchRules& rules,
                       FetchTask task, WallTime now, const std::atomic<bool>& cancel);

}  // namespace latchkey::mediacache
