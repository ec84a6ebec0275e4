-- Ten plans with made-up prices, to look at a platform that has not read the provider's catalogue
-- yet. Safe to run again: plans that are there stay as they are. The first reading of the provider's
-- catalogue replaces them, and marks those withdrawn that the provider doesn't sell.

insert into catalogue.data_plans (
    id, name, description, region, groups, countries, duration_days, price, currency, data_mb,
    unlimited, speeds, autostart, profile_name, allowances, region_keys, country_keys, search_text
)
values
    (
        '06de16ca-30d2-5b8c-9662-c574f1087f20', 'esim_1GB_7D_FR_V2',
        'eSIM, 1GB, 7 Days, France, V2', 'Europe', array['Standard Fixed'],
        '[{"name": "France", "iso": "FR", "region": "Europe"}]',
        7, 1.45, 'USD', 1000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "1000 MB data", "amount": 1000, "unit": "MB", "unlimited": false}]',
        array['europe'],
        array['fr', 'france'],
        E'esim_1gb_7d_fr_v2\nesim, 1gb, 7 days, france, v2\neurope\nfrance'
    ),
    (
        '493a825a-636d-5518-a6f9-b0ba9b27a3e3', 'esim_3GB_30D_DE_V2',
        'eSIM, 3GB, 30 Days, Germany, V2', 'Europe', array['Standard Fixed'],
        '[{"name": "Germany", "iso": "DE", "region": "Europe"}]',
        30, 2.95, 'USD', 3000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "3000 MB data", "amount": 3000, "unit": "MB", "unlimited": false}]',
        array['europe'],
        array['de', 'germany'],
        E'esim_3gb_30d_de_v2\nesim, 3gb, 30 days, germany, v2\neurope\ngermany'
    ),
    (
        '9338f42c-b806-53d7-809b-79096b2e3e3c', 'esim_5GB_30D_REUS_V2',
        'eSIM, 5GB, 30 Days, Europe, V2', 'Europe', array['Standard Fixed'],
        '[{"name": "France", "iso": "FR", "region": "Europe"}, {"name": "Germany", "iso": "DE", "region": "Europe"}, {"name": "Spain", "iso": "ES", "region": "Europe"}, {"name": "Italy", "iso": "IT", "region": "Europe"}, {"name": "United Kingdom", "iso": "GB", "region": "Europe"}]',
        30, 5.9, 'USD', 5000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "5000 MB data", "amount": 5000, "unit": "MB", "unlimited": false}]',
        array['europe'],
        array['de', 'es', 'fr', 'france', 'gb', 'germany', 'it', 'italy', 'spain', 'united kingdom'],
        E'esim_5gb_30d_reus_v2\nesim, 5gb, 30 days, europe, v2\neurope\nfrance\ngermany\nspain\nitaly\nunited kingdom'
    ),
    (
        'e04e58b5-3bf6-5767-9f46-9fc0c1d15bb5', 'esim_UL_7D_GB_V2',
        'eSIM, Unlimited, 7 Days, United Kingdom, V2', 'Europe', array['Standard Unlimited Lite'],
        '[{"name": "United Kingdom", "iso": "GB", "region": "Europe"}]',
        7, 8.75, 'USD', null, true, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "Unlimited data", "amount": 0, "unit": "MB", "unlimited": true}]',
        array['europe'],
        array['gb', 'united kingdom'],
        E'esim_ul_7d_gb_v2\nesim, unlimited, 7 days, united kingdom, v2\neurope\nunited kingdom'
    ),
    (
        '0ae2abd1-b70d-54c7-a5ed-f809a0af1e2e', 'esim_1GB_7D_US_V2',
        'eSIM, 1GB, 7 Days, United States, V2', 'North America', array['Standard Fixed'],
        '[{"name": "United States", "iso": "US", "region": "North America"}]',
        7, 1.85, 'USD', 1000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "1000 MB data", "amount": 1000, "unit": "MB", "unlimited": false}]',
        array['north america'],
        array['united states', 'us'],
        E'esim_1gb_7d_us_v2\nesim, 1gb, 7 days, united states, v2\nnorth america\nunited states'
    ),
    (
        '9754713f-e8e6-520a-8b72-1b7fb1efb7bc', 'esim_10GB_30D_RNA_V2',
        'eSIM, 10GB, 30 Days, North America, V2', 'North America', array['Standard Fixed'],
        '[{"name": "Canada", "iso": "CA", "region": "North America"}, {"name": "Mexico", "iso": "MX", "region": "North America"}, {"name": "United States", "iso": "US", "region": "North America"}]',
        30, 16.4, 'USD', 10000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "10000 MB data", "amount": 10000, "unit": "MB", "unlimited": false}]',
        array['north america'],
        array['ca', 'canada', 'mexico', 'mx', 'united states', 'us'],
        E'esim_10gb_30d_rna_v2\nesim, 10gb, 30 days, north america, v2\nnorth america\ncanada\nmexico\nunited states'
    ),
    (
        'bea061e9-3360-54bf-889f-b536a0cd4a88', 'esim_ULE_5D_JP_V2',
        'eSIM, Unlimited, 5 Days, Japan, V2', 'Asia', array['Standard Unlimited Essential'],
        '[{"name": "Japan", "iso": "JP", "region": "Asia"}]',
        5, 11.25, 'USD', null, true, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "Unlimited data", "amount": 0, "unit": "MB", "unlimited": true}]',
        array['asia'],
        array['japan', 'jp'],
        E'esim_ule_5d_jp_v2\nesim, unlimited, 5 days, japan, v2\nasia\njapan'
    ),
    (
        'e38ce79f-d139-5c62-96c5-361b668bd80c', 'esim_5GB_30D_RAS_V2',
        'eSIM, 5GB, 30 Days, Asia, V2', 'Asia', array['Standard Fixed'],
        '[{"name": "Japan", "iso": "JP", "region": "Asia"}, {"name": "Thailand", "iso": "TH", "region": "Asia"}, {"name": "Vietnam", "iso": "VN", "region": "Asia"}, {"name": "Australia", "iso": "AU", "region": "Oceania"}]',
        30, 9.6, 'USD', 5000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "5000 MB data", "amount": 5000, "unit": "MB", "unlimited": false}]',
        array['asia', 'oceania'],
        array['au', 'australia', 'japan', 'jp', 'th', 'thailand', 'vietnam', 'vn'],
        E'esim_5gb_30d_ras_v2\nesim, 5gb, 30 days, asia, v2\nasia\njapan\nthailand\nvietnam\naustralia'
    ),
    (
        '32785cf4-a3e1-57d2-87e6-a3c3fd015262', 'esim_3GB_30D_TR_V2',
        'eSIM, 3GB, 30 Days, Türkiye, V2', 'Middle East', array['Standard Fixed'],
        '[{"name": "Türkiye", "iso": "TR", "region": "Middle East"}]',
        30, 3.15, 'USD', 3000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "3000 MB data", "amount": 3000, "unit": "MB", "unlimited": false}]',
        array['middle east'],
        array['tr', 'turkiye'],
        E'esim_3gb_30d_tr_v2\nesim, 3gb, 30 days, turkiye, v2\nmiddle east\nturkiye'
    ),
    (
        'bdcbe58d-a68b-5437-b4ae-740ffd40ef3b', 'esim_2GB_15D_RGBS_V2',
        'eSIM, 2GB, 15 Days, Global, V2', 'Global', array['Standard Fixed'],
        '[{"name": "France", "iso": "FR", "region": "Europe"}, {"name": "United States", "iso": "US", "region": "North America"}, {"name": "Japan", "iso": "JP", "region": "Asia"}, {"name": "Brazil", "iso": "BR", "region": "South America"}, {"name": "South Africa", "iso": "ZA", "region": "Africa"}, {"name": "Australia", "iso": "AU", "region": "Oceania"}]',
        15, 12.125, 'USD', 2000, false, array['2G', '3G', '4G', '5G'], false, 'Profile 1',
        '[{"type": "DATA", "service": "STANDARD", "description": "2000 MB data", "amount": 2000, "unit": "MB", "unlimited": false}]',
        array['africa', 'asia', 'europe', 'global', 'north america', 'oceania', 'south america'],
        array['au', 'australia', 'br', 'brazil', 'fr', 'france', 'japan', 'jp', 'south africa', 'united states', 'us', 'za'],
        E'esim_2gb_15d_rgbs_v2\nesim, 2gb, 15 days, global, v2\nglobal\nfrance\nunited states\njapan\nbrazil\nsouth africa\naustralia'
    )
on conflict do nothing;
