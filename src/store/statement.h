// A query under way: binds, steps, reads within limits, and resets its statement when it goes.
// Internal to src/store.
#pragma once

#include <cstddef>
#include <string>

#include "store/database.h"
#include "store/table.h"

namespace latchkey::store {

class Query {
 public:
  // Throws, as all here.
  Query(Database& database, const std::string& sql, const Row& arguments);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // True while there is a row.
  bool step();
  // For statements that give no rows.
  void run();
  // kCorrupt when the value is not of the column's kind or is too long. Good until the next step.
  View view(std::size_t index, const Column& column);
  Value value(std::size_t index, const Column& column) { return value_of(view(index, column)); }

 private:
  SQLite::Statement& statement_;
};

}  // namespace latchkey::store
