// Which database a text names, and the file of one in SQLite. Internal to src/store.
#pragma once

#include <string>

#include "provider/records.h"

namespace latchkey::store {

struct Connection {
  bool postgres = false;
  std::string text;  // a path, or libpq's `key = 'value'` pairs
};
provider::Result<Connection> read_connection(const std::string& text);

// The file is there, ours alone, and in a folder where nobody else can put a journal beside it.
provider::Result<void> prepare_sqlite_file(const std::string& path, bool create);

}  // namespace latchkey::store
