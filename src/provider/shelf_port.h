// Where published files lie, for a web server to serve. Implemented over a folder by
// src/store/file_shelf.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/table.h"
#include "base/clock.h"
#include "provider/records.h"

namespace latchkey::provider {

// A file while it is written: nobody sees it until keep_as(). Thrown away with the object.
class Draft : public attest::Sink {
 public:
  // Durable under this name when it returns: contents, then name. A file of that name is replaced.
  virtual Result<void> keep_as(std::string_view name) = 0;
};

class Shelf {
 public:
  // Bytes of a file, and what keeps them there (a mapping), also when the file is removed.
  struct Held {
    ByteSpan bytes;
    std::shared_ptr<const void> keep;
  };
  struct Entry {
    std::string name;
    WallTime modified;
  };
  virtual ~Shelf() = default;
  virtual Result<std::optional<Held>> read(std::string_view name) = 0;
  virtual Result<std::unique_ptr<Draft>> draft() = 0;
  virtual Result<std::vector<Entry>> list() = 0;  // drafts that were left behind as well
  virtual Result<void> remove(std::string_view name) = 0;
  // Counts its age from now on. Nothing where there is none of that name.
  virtual Result<void> touch(std::string_view name) = 0;
  // Held by one at a time, in all processes, while the object lives: to look and then to replace.
  virtual Result<std::shared_ptr<const void>> lock() = 0;
};

}  // namespace latchkey::provider
