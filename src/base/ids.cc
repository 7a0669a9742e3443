#include "base/ids.h"

namespace latchkey {

template class FixedId<struct GrantIdTag, 16>;
template class FixedId<struct SpkiHashTag, 32>;
template class FixedId<struct DeviceIdTag, 32>;
template class FixedId<struct ProfileIdTag, 16>;

}  // namespace latchkey
