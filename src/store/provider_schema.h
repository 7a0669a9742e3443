// The tables of a provider's database, version by version. Internal to src/store.
#pragma once

#include "store/provider_database.h"

namespace latchkey::store {

inline constexpr int kProviderSchema = 1;

// Brings the tables up to kProviderSchema; gives the version before.
provider::Result<int> make_provider_tables(ProviderDatabase& database);
// kInvalid with what to do unless the tables are of kProviderSchema.
provider::Result<void> check_provider_tables(ProviderDatabase& database);

}  // namespace latchkey::store
