/* schema.c - the migrations of registry.db, schema/NNNN_*.sql, in order. */
#include "store/store_priv.h"

#include "0001_store.h"
#include "0002_accounts.h"
#include "0003_images.h"
#include "0004_models.h"
#include "0005_runs.h"
#include "0006_devices.h"

const char *const sk_store_migrations[] = {
    sk_schema_0001_store,
    sk_schema_0002_accounts,
    sk_schema_0003_images,
    sk_schema_0004_models,
    sk_schema_0005_runs,
    sk_schema_0006_devices,
    NULL,
};
