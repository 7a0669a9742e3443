// How many of something there may be at once: in all, and of one partition, so that one web service
// that takes as many as it can get leaves some to the others.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "cache/names.h"

namespace latchkey::mediacache {

class Shares {
 public:
  using Key = cache::Partition::Key;
  Shares(std::size_t whole, std::size_t each) : whole_(whole), each_(each) {}

  // Gives its place back, however what it is for ends. Shares outlive it.
  class Place {
   public:
    ~Place() {
      if (shares_ != nullptr) {
        shares_->leave(key_);
      }
    }
    Place(Place&& other) noexcept
        : shares_(std::exchange(other.shares_, nullptr)), key_(other.key_) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place& operator=(Place&&) = delete;

   private:
    friend class Shares;
    Place(Shares& shares, Key key) : shares_(&shares), key_(key) {}
    Shares* shares_;
    Key key_;
  };

  // Nothing: there are as many as there may be.
  std::optional<Place> enter(const Key& key) {
    const auto at = taken_.find(key);
    if (all_ >= whole_ || (at != taken_.end() && at->second >= each_)) {
      return std::nullopt;
    }
    ++all_;
    ++taken_[key];
    return Place(*this, key);
  }

 private:
  void leave(const Key& key) {
    --all_;
    const auto at = taken_.find(key);
    if (--at->second == 0) {
      taken_.erase(at);
    }
  }
  std::size_t whole_;
  std::size_t each_;
  std::size_t all_ = 0;
  std::map<Key, std::size_t> taken_{};
};

}  // namespace latchkey::mediacache
