# Run by the image of Postgres after roles.sql, when it makes the database.
for role in badges_owner badges_api badges_worker badges_operator; do
  psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set role="$role" --set password="$POSTGRES_PASSWORD" <<'SQL'
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
